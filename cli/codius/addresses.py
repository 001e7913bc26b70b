"""Which addresses may be asked: the visitor's own, public ones by https, and this machine's where the app is.

A document is a stranger's: without this it could have the visitor's machine ask whatever that can reach.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import SplitResult, urljoin, urlsplit

from codius.errors import UncheckableError

PORTS = {"http": 80, "https": 443}
# Others take a backslash for a name's end, and can't ask for a space; what isn't ASCII is told apart.
HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f.]*:[0-9a-f:.]+")
# RFC 6052: an IPv4 address is in the last four bytes.
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# RFC 4291: whatever else there is of IPv6 is one network's own, or nobody's.
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


def web_address(url: str) -> SplitResult | None:
    """The parts of an http(s) address, printable and without a user's name; None for what isn't one."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        has_host = parts.port != 0 and bool(HOST.fullmatch(host) or not host.isascii())
    except ValueError:  # of hosts in brackets, Unicode's look-alikes, and ports
        return None
    is_plain = url.isprintable() and "@" not in parts.netloc and not parts.netloc.endswith(":")
    return parts if parts.scheme in PORTS and has_host and is_plain else None


def led_to(parts: SplitResult, target: str) -> SplitResult | None:
    """Where a link or a redirect of an address leads, None for what is no address of the web."""
    try:
        return web_address(urljoin(parts.geturl(), target))
    except ValueError:
        return None


def origin_of(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or PORTS[parts.scheme]


def is_local(host: str) -> bool:
    """Whether a name or address is this machine's own (RFC 6761, RFC 5735)."""
    name = host.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def numeric(host: str) -> str | None:
    """The IP address that a host is, None for a name; it may be 127.1 or 0x7f000001: inet_aton(3)."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def is_public(address: str) -> bool:
    """Whether an IP address is of the public internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # one of a network interface, with "%"
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip.sixtofour is not None:
            ip = ip.sixtofour
        elif ip in NAT64:
            ip = ipaddress.IPv4Address(ip.packed[-4:])
        elif ip not in GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast


def require_askable(parts: SplitResult, home: SplitResult) -> None:
    """Raise UncheckableError for an address that only the visitor may name; `home` is what they named."""
    if origin_of(parts) == origin_of(home):
        return
    host = parts.hostname or ""
    if not host.isascii():
        raise UncheckableError(f"{parts.netloc} is not asked: its name may be taken for another")
    if is_local(host):
        if is_local(home.hostname or ""):
            return
        raise UncheckableError(f"{parts.netloc} is this machine, and is not asked for {home.netloc}")
    if parts.scheme != "https":
        raise UncheckableError(f"{parts.scheme}://{parts.netloc} is not asked: only https is safe")


def public_addresses(parts: SplitResult) -> list[str]:
    """The IP addresses of a host. Raises UncheckableError unless all of them are public."""
    _, host, port = origin_of(parts)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UncheckableError(f"{parts.netloc} can't be reached: its name is not known") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    hidden = [address for address in addresses if not is_public(address)]
    if hidden:
        raise UncheckableError(
            f"{parts.netloc} is not asked: {hidden[0]} is not an address of the public web"
        )
    return addresses
