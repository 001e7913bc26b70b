"""`/account`: what is known of a user, and deleting it."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web import sessions
from web.access import require_viewer
from web.bodies import form_field
from web.pages import page
from web.rates import spend
from web.services import Services

SHOWN = 1_000


async def account(request: Request) -> Response:
    services: Services = request.state.services
    viewer = require_viewer(request)
    apps, sites = (
        await services.apps.live_of(viewer, SHOWN),
        await services.sites.live_of(viewer, SHOWN),
    )
    return page(request, "account.html", apps=apps, sites=sites)


async def delete(request: Request) -> Response:
    """What the form asks for is the login, as a button is too easily pressed."""
    services: Services = request.state.services
    viewer = require_viewer(request)
    if (await form_field(request, "login")).strip().lower() != viewer.login.lower():
        raise HTTPException(400, "Type your login to delete your account. Nothing was deleted.")
    await spend(request, "deletions")
    await services.leaving.delete(viewer, services.now())
    response = RedirectResponse("/", 303)
    await sessions.log_out(request, response)
    return response
