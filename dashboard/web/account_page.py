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
from web.services import services_of

SHOWN, NOTICES_SHOWN = 1_000, 10
MISTYPED = "This is not your login. Nothing was deleted."
LOGGED_OUT = "If you have just deleted your account, that is done. Otherwise log in and try again."


async def account(request: Request) -> Response:
    return await account_page(request)


async def account_page(request: Request, status: int = 200, **typed: str) -> Response:
    """`typed` is what a form on it brought and is no good, with what is wrong."""
    services = services_of(request)
    viewer = require_viewer(request)
    return page(
        request,
        "account.html",
        status,
        apps=await services.apps.live_of(viewer, SHOWN),
        sites=await services.sites.live_of(viewer, SHOWN),
        notices=await services.notices.of_user(viewer.id, NOTICES_SHOWN),
        settings=await services.notices.settings(viewer.id),
        **typed,
    )


async def delete(request: Request) -> Response:
    """What the form asks for is the login, as a button is too easily pressed."""
    services = services_of(request)
    viewer: User | None = request.state.viewer
    if viewer is None:  # perhaps a second click: a login would make anew what the first has deleted
        words = {"title": "You are logged out", "message": LOGGED_OUT, "request_id": None}
        return page(request, "error.html", 401, **words)
    if (await form_field(request, "login")).strip().lower() != viewer.login.lower():
        return await account_page(request, 422, error=MISTYPED)
    await spend(request, "deletions")
    await services.leaving.delete(viewer, services.now())
    response = RedirectResponse("/", 303)
    await sessions.log_out(request, response)
    return response
