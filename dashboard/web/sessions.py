"""Who asks: sessions in D1, known to the browser by a random token in a cookie.

The database holds only the token's hash. A session ends 30 days after it was last used; its end is moved
once a day at most. After OWASP's "Session Management Cheat Sheet"; the cookie's name is of RFC 6265bis.
"""

from __future__ import annotations

import hashlib
import secrets

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.app import User
from model.limits import DAY_MS
from store.users import Users
from web.security import is_webhook
from web.services import services_of

COOKIE = "__Host-session"
SESSION_MS = 30 * DAY_MS
TOKEN_BYTES = 32


class SessionMiddleware:
    """Puts the user, or None, at `request.state.viewer`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = Request(scope)
        request.state.viewer = None
        token = None if is_webhook(scope) else request.cookies.get(COOKIE)
        if not token:
            return await self._app(scope, receive, send)
        services = services_of(request)
        cookie = await self._cookie_for(request, token, services.users, services.now())

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and cookie:
                # Before those of the page, so that logging in or out has the last word.
                message["headers"] = [(b"set-cookie", cookie), *message["headers"]]
            await send(message)

        return await self._app(scope, receive, send_with_cookie)

    async def _cookie_for(self, request: Request, token: str, users: Users, now: int) -> bytes | None:
        """Find the viewer; return the cookie to set, if the one that came is over or was extended."""
        session = await users.session(hash_of(token), now)
        if session is None:
            return cookie_of("", 0)
        request.state.viewer = session.user
        if session.expires_at - now > SESSION_MS - DAY_MS:
            return None
        await users.extend_session(hash_of(token), now + SESSION_MS)
        return cookie_of(token, SESSION_MS)


async def log_in(request: Request, response: Response, user: User) -> None:
    """Open a new session, and end the one that the browser came with."""
    services = services_of(request)
    await end_session(request)
    token, now = secrets.token_urlsafe(TOKEN_BYTES), services.now()
    await services.users.log_in(user, hash_of(token), now, now + SESSION_MS)
    response.raw_headers.append((b"set-cookie", cookie_of(token, SESSION_MS)))


async def log_out(request: Request, response: Response) -> None:
    await end_session(request)
    response.raw_headers.append((b"set-cookie", cookie_of("", 0)))


async def end_session(request: Request) -> None:
    if token := request.cookies.get(COOKIE):
        await request.state.services.users.log_out(hash_of(token))


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def cookie_of(token: str, milliseconds: int) -> bytes:
    return (
        f"{COOKIE}={token}; Path=/; Max-Age={milliseconds // 1000}; HttpOnly; Secure; SameSite=Lax".encode()
    )
