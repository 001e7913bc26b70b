"""Where a request goes on to that is redirected: what is secret stays with the server that it is for.

The runtime's `fetch` sends headers and a body along to wherever it is redirected (`Request` in Cloudflare's
documentation of Workers); with today's compatibility dates all headers but `authorization`. GitHub's API
redirects within itself, for what was renamed ("Best practices for using the REST API"). How a method changes
is after the Fetch standard, "HTTP-redirect fetch".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from clients.http import Answer, UnreachableError

STATUSES = (301, 302, 303, 307, 308)
# What becomes a GET.
AS_GET = {301: ("POST",), 302: ("POST",), 303: ("POST", "PUT", "PATCH", "DELETE")}
MAX_REDIRECTS = 5
PORTS = {"http": 80, "https": 443}
# What any server may be sent.
HARMLESS = ("accept", "user-agent")
Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a chain of them."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: str | None = field(default=None, repr=False)

    def after(self, status: int, location: str) -> Hop:
        """The next request.

        Raises UnreachableError where that is no address of the web, or another server would be asked for a
        change.
        """
        asked = f"{self.method} {self.url.partition('?')[0]}"
        try:
            url = urljoin(self.url, location)
            is_same_server = origin_of(url) == origin_of(self.url)
        except (ValueError, KeyError):
            raise UnreachableError(f"{asked}: it leads to what is not an address of the web") from None
        is_read = self.method in AS_GET.get(status, ())
        method, body = ("GET", None) if is_read else (self.method, self.body)
        if is_same_server:
            return Hop(method, url, self.headers, body)
        if self.method != "GET":
            raise UnreachableError(f"{asked}: it leads to another server")
        harmless = {name: value for name, value in self.headers.items() if name.lower() in HARMLESS}
        return Hop("GET", url, harmless)


async def final(
    first: Hop,
    ask: Callable[[Hop], Awaitable[tuple[Answer, Response]]],
    leave: Callable[[Response], Awaitable[None]],
) -> tuple[Answer, Response]:
    """The answer at the end of few redirects; those before it are left unread. Raises UnreachableError."""
    hop = first
    for _ in range(MAX_REDIRECTS + 1):
        answer, response = await ask(hop)
        location = answer.headers.get("location")
        if answer.status not in STATUSES or location is None:
            return answer, response
        await leave(response)
        hop = hop.after(answer.status, location)
    raise UnreachableError(f"{first.method} {first.url.partition('?')[0]}: too many redirects")


def origin_of(url: str) -> tuple[str, str, int]:
    """Raises ValueError or KeyError for what is no address of the web, or another one to the runtime."""
    parts = urlsplit(url)
    is_plain = url.isascii() and url.isprintable() and "\\" not in url and "@" not in parts.netloc
    if not parts.hostname or not is_plain:
        raise ValueError("no plain address")
    return parts.scheme, parts.hostname, PORTS[parts.scheme] if parts.port is None else parts.port
