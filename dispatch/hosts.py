"""Which app or site a request is for, by its host: `<id or name>.<apps domain>` and nothing else."""

from __future__ import annotations

import re
from functools import lru_cache

# An app's id is a DNS label (RFC 1123) and a Worker's name at once.
APP_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
MAX_AUTHORITY_LENGTH = 300  # a host name has 253 characters at most, a port 6


def authority_of(url: str) -> str:
    """The host and port of an absolute URL; of one that is too long to name an app only the beginning."""
    return url.split("/", 3)[2].partition("?")[0][: MAX_AUTHORITY_LENGTH + 1]


@lru_cache(maxsize=4096)
def app_id_of(authority: str, apps_domain: str) -> str | None:
    """Return the id of the app that a host and port name, or None when they can't name one.

    Case, the port and one trailing dot don't count. Anything else that isn't exactly one label before
    the domain is refused: other domains, deeper names, addresses, names that can't be an id.
    """
    if len(authority) > MAX_AUTHORITY_LENGTH or not authority.isascii():
        return None
    host, colon, port = authority.partition(":")
    if colon and not port.isdecimal():
        return None
    label, dot, domain = host.lower().removesuffix(".").partition(".")
    if not dot or domain != apps_domain or not APP_ID.fullmatch(label):
        return None
    return label
