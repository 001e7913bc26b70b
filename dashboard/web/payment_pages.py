"""Back from Stripe's payment page, Stripe's receipt, and what was paid."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from model.app import App, User
from model.checkout import SESSION_ID
from model.payment import Payment, statement
from web.access import is_background, require_viewer
from web.accounts import can_top_up
from web.pages import page
from web.rates import spend
from web.services import Services, services_of
from web.top_ups import Payable

PAYMENTS_SHOWN = 100


async def success(request: Request) -> Response:
    """Where Stripe sends people after they paid: credits the payment if no webhook has.

    The page that asks in the background is told what is known here: whatever changes is reported, too.
    """
    services = services_of(request)
    payment = await payment_of(request)
    if payment.status != "credited" and not is_background(request):
        await spend(request, "payments")
        followed = await services.fulfilment.fulfil(payment.id, services.now())
        if followed is None:
            raise HTTPException(404)
        payment = followed
    app, payable = await paid_for(services, payment)
    return page(
        request,
        "payment.html",
        payment=payment,
        payable=payable,
        lines=statement([payment], await services.reversals.of_payments([payment])),
        account=await services.billing.known_account(payment.account),
        is_served=app is not None and app.is_served,
        can_top_up=can_top_up(services, app),
    )


async def receipt(request: Request) -> Response:
    """On to Stripe's receipt, whose address is asked for each time: it is good for some weeks only."""
    services = services_of(request)
    payment = await payment_of(request)
    await spend(request, "payments")
    address = await services.stripe().receipt_url(payment.id)
    if address is None:
        raise HTTPException(404)
    return RedirectResponse(address, 303)


async def payment_of(request: Request) -> Payment:
    """The payment in the path: who paid was sent to Stripe after it had been noted, so there is no other."""
    services = services_of(request)
    session_id = request.path_params["session_id"]
    payment = await services.payments.get(session_id) if SESSION_ID.fullmatch(session_id) else None
    if payment is None:
        raise HTTPException(404)
    return payment


async def paid_for(services: Services, payment: Payment) -> tuple[App | None, Payable | None]:
    """The app that a payment is for, or that its site serves now; and the app or the site itself."""
    if payment.site is None:
        app = await services.apps.get(payment.account)
        return app, None if app is None else Payable.app(app)
    site = await services.sites.get(payment.site)
    if site is None:
        return None, None
    return await services.site_hosting.serving_app(site, services.now()), Payable.site(site)


async def payments(request: Request) -> Response:
    """What the user has paid."""
    services = services_of(request)
    viewer: User = require_viewer(request)
    found = await services.payments.of_user(viewer.id, PAYMENTS_SHOWN)
    lines = statement(found, await services.reversals.of_payments(found))
    return page(request, "payments.html", lines=lines, has_payments=services.settings.has_payments)
