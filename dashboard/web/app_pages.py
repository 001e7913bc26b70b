"""An app's own pages, and what its deployer can do there."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from model.app import APP_ID, App
from model.left_out import LeftOut
from model.payment import statement
from web.access import named_site, own_app, visible_app
from web.accounts import billing_of, can_top_up
from web.attestation_pages import word_about
from web.pages import page
from web.rates import spend
from web.services import Services, services_of
from web.steps import steps_of
from web.top_ups import Payable, form_of

PAYMENTS_SHOWN = 50
MAX_SEARCHED = 128  # characters of a request's id


async def app(request: Request) -> Response:
    services = services_of(request)
    try:
        found = await visible_app(request)
    except HTTPException:
        # A host names either: who comes from one that is a site's is led on to its page.
        site = await named_site(request)
        if site is None:
            raise
        return RedirectResponse(f"/sites/{site.name}")
    payments = await services.payments.of_app(found.id, PAYMENTS_SHOWN)
    return page(
        request,
        "app.html",
        app=found,
        is_deployer=found.is_deployed_by(request.state.viewer),
        steps=steps_of(found),
        can_top_up=can_top_up(services, found),
        lines=statement(payments, await services.reversals.of_payments(payments)),
        verdict_word=await word_about(services, found),
        **await failures_of(request, found),
        left_out=await services.checks.store.left_out(found.id) if found.is_public else LeftOut(),
        **await billing_of(request, found.id),
    )


async def failures_of(request: Request, app: App) -> dict[str, Any]:
    """What an app failed with lately, for its deployer alone; of one request, if its id is searched for."""
    services = services_of(request)
    if not app.is_public or app.deleted_at is not None or not app.is_deployed_by(request.state.viewer):
        return {}
    searched = request.query_params.get("request", "").strip()[:MAX_SEARCHED]
    failures = await services.failures.of_app(app.id, services.now(), searched)
    return {"failures": failures, "searched": searched}


async def payment_required(request: Request) -> Response:
    """Where dispatch sends browsers when an app, or a site, has used up its prepaid requests."""
    services = services_of(request)
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
    services = services_of(request)
    found = await own_app(request)
    await spend(request, "retries")
    await services.deployments.retry(found, services.now())
    return see_app(found.id)


async def delete(request: Request) -> Response:
    services = services_of(request)
    found = await own_app(request)
    await spend(request, "deletions")
    await services.removals.delete(found, services.now())
    return see_app(found.id)


def see_app(app_id: str) -> Response:
    return RedirectResponse(f"/apps/{app_id}", 303)
