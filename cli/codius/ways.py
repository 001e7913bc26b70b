"""The ways to an address: by name, by this machine's, by the environment's proxy, by a public IP address."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from codius.addresses import is_local, is_public, numeric, origin_of, public_addresses
from codius.errors import UncheckableError

TIMEOUT = urllib3.Timeout(connect=10, read=45)


def ways_to(parts: SplitResult, home: SplitResult) -> list[tuple[urllib3.PoolManager, str]]:
    """How an address is reached: by name, by this machine's, by a proxy, or by each public address of it."""
    scheme, host, port = origin_of(parts)
    if is_local(host):
        # RFC 6761 reserves these names for this machine; resolvers need not know them.
        pool = urllib3.PoolManager(timeout=TIMEOUT, server_hostname=host, assert_hostname=host)
        place = parts.netloc if numeric(host) else f"127.0.0.1:{port}"
        return [(pool, parts._replace(netloc=place).geturl())]
    proxy = proxy_of(scheme, host)
    if proxy is not None:
        require_public_name(parts, home)
        return [(proxy, parts.geturl())]
    if origin_of(parts) == origin_of(home):
        return [(urllib3.PoolManager(timeout=TIMEOUT), parts.geturl())]
    # What was looked up is what is asked: a name may have another address a moment later.
    return [
        (
            urllib3.PoolManager(timeout=TIMEOUT, server_hostname=host, assert_hostname=host),
            parts._replace(netloc=f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}").geturl(),
        )
        for ip in public_addresses(parts)
    ]


def proxy_of(scheme: str, host: str) -> urllib3.ProxyManager | None:
    """The environment's proxy for a host. Raises UncheckableError for one of another kind."""
    address = getproxies().get(scheme)
    if not address or proxy_bypass(host):
        return None
    url = urlsplit(address if "://" in address else f"http://{address}")
    try:
        headers = None
        if url.username is not None:
            headers = urllib3.make_headers(proxy_basic_auth=f"{url.username}:{url.password or ''}")
        place = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
        return urllib3.ProxyManager(place, timeout=TIMEOUT, proxy_headers=headers)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UncheckableError(f"the environment's proxy for {scheme} can't be used") from error


def require_public_name(parts: SplitResult, home: SplitResult) -> None:
    """A proxy looks names up itself; an address that is none of the public web is told here."""
    address = numeric(parts.hostname or "")
    if address is not None and origin_of(parts) != origin_of(home) and not is_public(address):
        raise UncheckableError(f"{parts.netloc} is not asked: {address} is not an address of the public web")
