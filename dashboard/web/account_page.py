"""`/account`: what is known of a user, and deleting it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from model.app import User
from web import sessions
from web.access import require_viewer
from web.bodies import form_field
from web.pages import page
from web.rates import spend
from web.services import Services

SHOWN = 1_000
MISTYPED = "This is not your login. Nothing was deleted."
LOGGED_OUT = "If you have just deleted your account, that is done. Otherwise log in and try again."


async def account(request: Request) -> Response:
    return await account_page(request, require_viewer(request), None)


async def account_page(request: Request, viewer: User, error: str | None) -> Response:
    services: Services = request.state.services
    apps, sites = (
        await services.apps.live_of(viewer, SHOWN),
        await services.sites.live_of(viewer, SHOWN),
    )
    return page(request, "account.html", 422 if error else 200, apps=apps, sites=sites, error=error)


async def delete(request: Request) -> Response:
    """What the form asks for is the login, as a button is too easily pressed."""
    services: Services = request.state.services
    viewer: User | None = request.state.viewer
    if viewer is None:  # perhaps a second click: a login would make anew what the first has deleted
        words = {"title": "You are logged out", "message": LOGGED_OUT, "request_id": None}
        return page(request, "error.html", 401, **words)
    if (await form_field(request, "login")).strip().lower() != viewer.login.lower():
        return await account_page(request, viewer, MISTYPED)
    await spend(request, "deletions")
    await services.leaving.delete(viewer, services.now())
    response = RedirectResponse("/", 303)
    await sessions.log_out(request, response)
    return response
