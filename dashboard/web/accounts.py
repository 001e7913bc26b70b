"""What the pages of apps and sites have in common: an account, its charts, and topping it up."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clients.billing import BillingUnavailableError
from model.app import App
from web.charts import requests_per_day, requests_per_hour
from web.rates import spend
from web.services import Services

CHART_HOURS, CHART_DAYS = 48, 30


async def billing_of(request: Request, name: str) -> dict[str, Any]:
    """What a page shows of an account; that it can't be read is shown, too."""
    services: Services = request.state.services
    try:
        account, usage = await asyncio.gather(
            services.billing.account(name),
            services.billing.usage(name, CHART_HOURS, CHART_DAYS),
        )
    except BillingUnavailableError:
        return {"account": None, "billing_failed": True, "charts": []}
    now = services.now()
    charts = [requests_per_hour(usage.hours, now), requests_per_day(usage.days, now)] if account else []
    return {"account": account, "billing_failed": False, "charts": charts}


def can_top_up(services: Services, app: App | None) -> bool:
    """Whether payments are taken for an app, or for a site that it serves."""
    return app is not None and app.is_served and services.settings.has_payments


async def begin_top_up(request: Request, account: str, page: str) -> Response:
    """Begin a payment, by anyone, and go to Stripe's page for it. `page` is the path of the account's."""
    services: Services = request.state.services
    viewer = request.state.viewer
    await spend(request, "top-ups")
    user_id = None if viewer is None else viewer.id
    dashboard_url = services.settings.dashboard_url
    session_id, address = await services.stripe().create_checkout(
        account,
        user_id,
        f"{dashboard_url}{page}",
        f"{dashboard_url}/checkout-sessions/{{CHECKOUT_SESSION_ID}}/success",
        idempotency_key=str(uuid.uuid4()),
    )
    await services.payments.add_open(session_id, account, user_id, services.now())
    return RedirectResponse(address, 303)
