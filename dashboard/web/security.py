"""What every request must pass, and what every answer carries.

A change is accepted only from this site's own pages: by `Sec-Fetch-Site`, which browsers send and pages
can't forge (W3C, "Fetch Metadata Request Headers"), else by `Origin` (RFC 6454). A webhook is known by its
signature instead. Headers after OWASP's "HTTP Headers Cheat Sheet".
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'{others}; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
# Of documents that any page may read.
OPEN = {"access-control-allow-origin": "*"}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WEBHOOKS = frozenset({"/webhooks/github", "/webhooks/stripe"})
# Of a site: known by its own signature, and counted like all that strangers ask for.
SITE_WEBHOOK = re.compile(r"/sites/[a-z0-9-]{1,63}/webhooks/github")
LONGEST_PATH = 2_000


class SecurityHeadersMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in headers_for(scope).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def headers_for(scope: Scope) -> dict[str, str]:
    """The headers, with the sites that forms lead to: to pay, and to log in where a session is lost."""
    services = scope.get("state", {}).get("services")
    settings = services.settings if services else None
    others = f" {settings.stripe_checkout_url} {settings.github_url}" if settings else ""
    policy = HEADERS["content-security-policy"].format(others=others)
    return HEADERS | {"content-security-policy": policy}


class SameOriginMiddleware:
    """Answers a change that a page of another site asks for with `refused`."""

    def __init__(self, app: ASGIApp, refused: ASGIApp) -> None:
        self._app = app
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            origin = Request(scope).state.services.settings.dashboard_url
            if not is_webhook(scope) and not is_same_origin(Headers(scope=scope), origin):
                return await self._refused(scope, receive, send)
        return await self._app(scope, receive, send)


def is_webhook(scope: Scope) -> bool:
    """Whether a request is known by its signature: it needs neither a session nor an origin."""
    is_site_s = scope["method"] == "POST" and SITE_WEBHOOK.fullmatch(scope["path"]) is not None
    return is_site_s or is_operators_webhook(scope)


def is_operators_webhook(scope: Scope) -> bool:
    return scope["method"] == "POST" and scope["path"] in WEBHOOKS


def is_same_origin(headers: Headers, origin: str) -> bool:
    """Whether a page of `origin` sent a request. One that says nothing of where it comes from is refused."""
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    sent = headers.get("origin")
    return sent == origin if sent is not None else site is not None


def inward(path: str | None, default: str = "/apps") -> str:
    """A path of this site to go on to, whatever was asked for."""
    if path is None or not path.startswith("/") or len(path) > LONGEST_PATH:
        return default
    # Browsers read `//host` and `/\host` as another site, and drop control characters before they look.
    if path[1:2] in ("/", "\\") or not path.isascii() or not path.isprintable() or "\\" in path:
        return default
    return path
