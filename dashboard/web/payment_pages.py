"""Topping up: to Stripe's payment page, back from it, and what was paid."""

from __future__ import annotations

import uuid

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from model.app import User
from model.checkout import SESSION_ID
from web.access import require_viewer, visible_app
from web.app_pages import can_top_up
from web.pages import page
from web.rates import spend
from web.services import Services

PAYMENTS_SHOWN = 100


async def top_up(request: Request) -> Response:
    """Begin a payment for a live app, by anyone, and go to Stripe's page for it."""
    services: Services = request.state.services
    app, viewer = await visible_app(request), request.state.viewer
    if not app.is_served:
        raise HTTPException(409, "This app isn't running, so it can't be topped up.")
    await spend(request, "top-ups")
    user_id = None if viewer is None else viewer.id
    session_id, address = await services.stripe().create_checkout(
        app.id, user_id, services.settings.dashboard_url, idempotency_key=str(uuid.uuid4())
    )
    await services.payments.add_open(session_id, app.id, user_id, services.now())
    return RedirectResponse(address, 303)


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
    app = None if payment is None else await services.apps.get(payment.app_id)
    if payment is None or app is None:
        raise HTTPException(404)
    return page(request, "payment.html", payment=payment, can_top_up=can_top_up(services, app))


async def payments(request: Request) -> Response:
    """What the user has paid."""
    services: Services = request.state.services
    viewer: User = require_viewer(request)
    found = await services.payments.of_user(viewer.id, PAYMENTS_SHOWN)
    return page(request, "payments.html", payments=found, has_payments=services.settings.has_payments)
