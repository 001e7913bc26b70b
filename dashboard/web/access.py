"""Who may see and do what: a page asks here for its viewer and its app."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from model.app import APP_ID, App, User
from model.site import Site
from model.site_names import is_site_name
from web.pages import READING, here_of, page, parent_page
from web.services import services_of


class LoginRequiredError(Exception):
    """A page that is for users only was asked for by somebody who isn't logged in.

    `typed` is what a form brought, to be in it again after the login; `form` is the path of its page, where
    that isn't the one above.
    """

    def __init__(self, typed: Mapping[str, str] | None = None, form: str | None = None) -> None:
        super().__init__()
        self.form = form
        self.typed = {name: text for name, text in (typed or {}).items() if text}


async def login_required(request: Request, error: Exception) -> Response:
    """People are sent to log in; a page that asks in the background says that its session is lost."""
    if is_background(request):
        words = {"title": "You are logged out", "message": "Log in again.", "request_id": None}
        return page(request, "error.html", 401, **words)
    assert isinstance(error, LoginRequiredError)
    return RedirectResponse(f"/login/github?next={quote(way_back(request, error))}", 303)


def way_back(request: Request, error: LoginRequiredError) -> str:
    """Where to go on after the login: nothing is changed by that, what was typed is in its form again."""
    if request.method in READING:
        return here_of(request)
    query = f"?{urlencode(error.typed)}" if error.typed else ""
    return f"{error.form or parent_page(request.url.path)}{query}"


def require_viewer(request: Request, typed: Mapping[str, str] | None = None) -> User:
    """Who is logged in; others are sent to log in and come back, with what they have typed."""
    viewer: User | None = request.state.viewer
    if viewer is None:
        raise LoginRequiredError(typed)
    return viewer


async def visible_app(request: Request) -> App:
    """The app in the path, or a 404 page that doesn't tell whether there is one. Operators see all."""
    found, viewer = await app_of(request), request.state.viewer
    services = services_of(request)
    if found is None or not (found.is_visible_to(viewer) or services.settings.is_operator(viewer)):
        raise not_visible(request)
    return found


def not_visible(request: Request) -> Exception:
    """The same for what isn't there and what isn't shown; a page that was seen has lost its session."""
    if is_background(request) and request.state.viewer is None:
        return LoginRequiredError()
    return HTTPException(404)


def is_background(request: Request) -> bool:
    """Whether a page asks (htmx), not a person."""
    return "hx-request" in request.headers


async def own_app(request: Request) -> App:
    """The app in the path, for its deployer only."""
    viewer, found = require_viewer(request), await visible_app(request)
    if not found.is_deployed_by(viewer):
        raise HTTPException(403, "Only the person who deployed this app can do that.")
    return found


async def deployed_app(request: Request) -> App:
    """The app in the path, if it was deployed and not deleted; everybody may know what answers there."""
    found = await app_of(request)
    if found is None or not found.is_public or found.deleted_at is not None:
        raise HTTPException(404)
    return found


async def app_of(request: Request) -> App | None:
    services = services_of(request)
    app_id = request.path_params["app_id"]
    return await services.apps.get(app_id) if APP_ID.fullmatch(app_id) else None


async def existing_site(request: Request) -> Site:
    """The site in the path."""
    services = services_of(request)
    name = request.path_params["name"]
    found = await services.sites.get(name) if is_site_name(name) else None
    if found is None:
        raise not_visible(request)
    return found


async def visible_site(request: Request) -> Site:
    """The site in the path, for everyone once a version of it was announced, for its owner before.

    Operators see all.
    """
    services = services_of(request)
    found, viewer = await existing_site(request), request.state.viewer
    if found.is_owned_by(viewer) or services.settings.is_operator(viewer):
        return found
    if not await services.sites.has_switches(found.name):
        raise not_visible(request)
    return found


async def named_site(request: Request) -> Site | None:
    """The site that is named where an app's id could be, as a host names either."""
    services = services_of(request)
    name = request.path_params["app_id"]
    return await services.sites.get(name) if is_site_name(name) else None


async def own_site(request: Request) -> Site:
    """The site in the path, for its owner only."""
    viewer, found = require_viewer(request), await visible_site(request)
    if not found.is_owned_by(viewer):
        raise HTTPException(403, "Only the owner of this site can do that.")
    return found
