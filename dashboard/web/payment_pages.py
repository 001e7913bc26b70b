"""Topping up: to Stripe's payment page, back from it, and what was paid."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from model.app import App, User
from model.checkout import SESSION_ID
from store.payments import Payment
from web.access import require_viewer, visible_app, visible_site
from web.accounts import begin_top_up, can_top_up
from web.pages import page
from web.rates import spend
from web.services import Services

PAYMENTS_SHOWN = 100


async def top_up(request: Request) -> Response:
    """Begin a payment for a live app."""
    app = await visible_app(request)
    if not app.is_served:
        raise HTTPException(409, "This app isn't running, so it can't be topped up.")
    return await begin_top_up(request, app.id, f"/apps/{app.id}")


async def top_up_site(request: Request) -> Response:
    """Begin a payment for a live site."""
    site = await visible_site(request)
    services: Services = request.state.services
    app = await services.site_hosting.serving_app(site, services.now())
    if app is None or not app.is_served:
        raise HTTPException(409, "This site isn't running, so it can't be topped up.")
    return await begin_top_up(request, site.name, f"/sites/{site.name}")


async def success(request: Request) -> Response:
    """Where Stripe sends people after they paid: credits the payment if no webhook has."""
    services: Services = request.state.services
    session_id = request.path_params["session_id"]
    if not SESSION_ID.fullmatch(session_id):
        raise HTTPException(404)
    # Who paid was sent to Stripe after the session had been noted: there is no other to ask Stripe about.
    if await services.payments.get(session_id) is None:
        raise HTTPException(404)
    await spend(request, "payments")
    payment = await services.fulfilment.fulfil(session_id, services.now())
    if payment is None:
        raise HTTPException(404)
    app = await payable_app(services, payment)
    return page(
        request,
        "payment.html",
        payment=payment,
        is_served=app is not None and app.is_served,
        can_top_up=can_top_up(services, app),
    )


async def payable_app(services: Services, payment: Payment) -> App | None:
    """The app that a payment is for, or that its site serves now."""
    if payment.site is None:
        return await services.apps.get(payment.account)
    site = await services.sites.get(payment.site)
    return None if site is None else await services.site_hosting.serving_app(site, services.now())


async def payments(request: Request) -> Response:
    """What the user has paid."""
    services: Services = request.state.services
    viewer: User = require_viewer(request)
    found = await services.payments.of_user(viewer.id, PAYMENTS_SHOWN)
    return page(request, "payments.html", payments=found, has_payments=services.settings.has_payments)
