"""`/apps`, an app's own pages, and what its deployer can do there."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clients.github_api import GitHubError
from hosting.deployments import AlreadyDeployedError
from hosting.repository_url import RepositoryUrl, SourceError
from hosting.source import Choice, ChooseDirectoryError, resolve
from model.app import APP_ID, App, User, new_id
from model.left_out import LeftOut
from model.limits import LimitReachedError
from model.payment import statement
from web.access import is_background, named_site, own_app, require_viewer, visible_app
from web.accounts import billing_of, can_top_up
from web.bodies import form_field
from web.errors import limited
from web.pages import before_of, page
from web.rates import spend
from web.services import Services
from web.steps import steps_of
from web.top_ups import Payable, form_of

APPS_PER_PAGE = 50
PAYMENTS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class FormError:
    """What is wrong with the form. `app_id` names the app that is there already, `choices` directories."""

    message: str
    app_id: str | None = None
    choices: Sequence[Choice] = ()


async def apps(request: Request) -> Response:
    """A user's apps, and the form that deploys one."""
    viewer = require_viewer(request)
    if request.method == "GET":
        return await apps_page(request, viewer, "", None)
    services: Services = request.state.services
    typed, app_id = await form_field(request, "repository"), new_id(secrets.choice)
    try:
        RepositoryUrl.parse(typed, services.settings.github_url)
        await services.deployments.require_lookup(viewer, services.now())
        source = await resolve(typed, services.settings.github_url, services.repositories)
        await services.deployments.deploy(app_id, viewer, source, services.now())
    except AlreadyDeployedError as error:
        message = "You already have an app for this commit and directory:"
        return await apps_page(request, viewer, typed, FormError(message, error.app.id))
    except ChooseDirectoryError as error:
        return await apps_page(request, viewer, typed, FormError(str(error), choices=error.choices))
    except LimitReachedError as error:
        return limited(await apps_page(request, viewer, typed, FormError(str(error))), error)
    except (SourceError, GitHubError) as error:
        return await apps_page(request, viewer, typed, FormError(str(error)))
    return see_app(app_id)


async def apps_page(request: Request, viewer: User, typed: str, error: FormError | None) -> Response:
    services: Services = request.state.services
    found = await services.apps.of_user(viewer, before_of(request), APPS_PER_PAGE + 1)
    shown = found[:APPS_PER_PAGE]
    more = f"/apps?before={shown[-1].created_at}" if len(found) > len(shown) else None
    return page(
        request,
        "apps.html",
        200 if error is None else 422,
        form={"repository": typed, "error": error},
        github_url=services.settings.github_url,
        apps=shown,
        more=more,
    )


async def app(request: Request) -> Response:
    services: Services = request.state.services
    try:
        found = await visible_app(request)
    except HTTPException:
        # A host names either: who comes from one that is a site's is led on to its page.
        site = await named_site(request)
        if site is None:
            raise
        return RedirectResponse(f"/sites/{site.name}")
    payments = await services.payments.of_app(found.id, PAYMENTS_SHOWN)
    response = page(
        request,
        "app.html",
        app=found,
        is_deployer=found.is_deployed_by(request.state.viewer),
        steps=steps_of(found),
        can_top_up=can_top_up(services, found),
        lines=statement(payments, await services.reversals.of_payments(payments)),
        left_out=await services.checks.store.left_out(found.id) if found.is_public else LeftOut(),
        **await billing_of(request, found.id),
    )
    if is_background(request) and not found.is_unfinished:
        # The page followed the deploy, which is over: all of it is new now.
        response.headers["hx-refresh"] = "true"
    return response


async def payment_required(request: Request) -> Response:
    """Where dispatch sends browsers when an app, or a site, has used up its prepaid requests."""
    services: Services = request.state.services
    site = await named_site(request)
    if site is not None:
        return RedirectResponse(f"/sites/{site.name}/402{query_of(request)}")
    app_id = request.path_params["app_id"]
    if not APP_ID.fullmatch(app_id):
        raise HTTPException(404)
    # A Worker that its operator uploaded by hand has an account, but no row.
    found = await services.apps.get(app_id)
    if found is None:
        await spend(
            request, "unknown apps"
        )  # each starts an object of its own, if only to say that it is empty
    elif not found.is_visible_to(request.state.viewer):
        raise HTTPException(404)
    account = await services.billing.account(app_id)
    if account is None:
        raise HTTPException(404)
    return page(
        request,
        "payment_required.html",
        app_id=app_id,
        app=found,
        account=account,
        is_missing=await is_missing(services, app_id, found),
        has_payments=services.settings.has_payments,
        form=form_of(request, Payable.app(found), account) if found and can_top_up(services, found) else None,
    )


def query_of(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""


async def is_missing(services: Services, app_id: str, app: App | None) -> bool:
    """Whether a Worker is gone, as far as is known; one that was uploaded by hand is no app."""
    return await services.presence.was_missing(app_id) if app is None else app.state == "missing"


async def retry(request: Request) -> Response:
    services: Services = request.state.services
    found = await own_app(request)
    await services.deployments.retry(found, services.now())
    return see_app(found.id)


async def delete(request: Request) -> Response:
    services: Services = request.state.services
    found = await own_app(request)
    await spend(request, "deletions")
    await services.removals.delete(found, services.now())
    return see_app(found.id)


def see_app(app_id: str) -> Response:
    return RedirectResponse(f"/apps/{app_id}", 303)
