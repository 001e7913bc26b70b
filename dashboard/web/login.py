"""`/login/github`, its callback, and `/logout`.

What binds a login to the browser that began it is a cookie with the flow's state and PKCE verifier
(RFC 6749, section 10.12; RFC 9700, section 2.1.1): an answer of GitHub's that comes with another state, or
to another browser, opens no session.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import quote, unquote, urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clients.github_api import GitHubRefusedError
from model.switches import SignUpRefusedError
from web import sessions
from web.rates import spend
from web.security import inward
from web.services import services_of

COOKIE = "__Host-login"
COOKIE_SECONDS = 600
LONGEST_KEPT = 3_500  # browsers take no cookie of more than 4,096 bytes (RFC 6265bis, "Limits")
AGAIN = "The login was not begun in this browser, or took too long. Log in again."


async def begin(request: Request) -> Response:
    services = services_of(request)
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    next_path = inward(request.query_params.get("next"))
    response = RedirectResponse(services.login.authorize_url(state, verifier), 302)
    kept = quote(next_path, safe="")
    if len(kept) > LONGEST_KEPT:
        kept = quote(inward(None), safe="")
    value = ".".join((state, verifier, kept))
    response.set_cookie(COOKIE, value, COOKIE_SECONDS, secure=True, httponly=True)
    return response


async def callback(request: Request) -> Response:
    services = services_of(request)
    state, verifier, next_path = read_cookie(request)
    query, request.state.began_at = request.query_params, next_path or inward(None)
    if not state or not hmac.compare_digest(state.encode(), query.get("state", "").encode()):
        raise HTTPException(400, AGAIN)
    if query.get("error") == "access_denied":
        return forgetful(RedirectResponse(cancelled(next_path), 303))
    await spend(request, "logins")
    try:
        profile = await services.login.user_of(query.get("code", ""), verifier)
        await services.signing_up.require_allowed(profile, services.now())
    except SignUpRefusedError as error:
        raise HTTPException(403, str(error)) from error
    except GitHubRefusedError as error:
        raise HTTPException(400, f"{error} Log in again.") from error
    response = forgetful(RedirectResponse(next_path, 303))
    await sessions.log_in(request, response, profile.user)
    return response


async def log_out(request: Request) -> Response:
    response = RedirectResponse("/", 303)
    await sessions.log_out(request, response)
    return response


def read_cookie(request: Request) -> tuple[str, str, str]:
    """The state, the verifier and where to go on; empty when no login was begun here."""
    parts = request.cookies.get(COOKIE, "").split(".")
    if len(parts) < 3:
        return "", "", ""
    state, verifier, *rest = parts
    return state, verifier, inward(unquote(".".join(rest)))


def cancelled(next_path: str) -> str:
    """Where to go on after that: to the first page, which keeps what was typed before the login."""
    return f"/?{urlencode({'next': next_path})}" if urlsplit(next_path).query else "/"


def forgetful(response: Response) -> Response:
    response.delete_cookie(COOKIE, secure=True, httponly=True)
    return response
