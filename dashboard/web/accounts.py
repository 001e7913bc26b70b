"""What the pages of apps and sites have in common: an account, its charts, whether it takes payments."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request

from clients.billing import BillingUnavailableError
from model.app import App
from model.lasting import lasts
from web.charts import requests_per_day, requests_per_hour
from web.services import Services, services_of

CHART_HOURS, CHART_DAYS = 48, 30


async def billing_of(request: Request, name: str) -> dict[str, Any]:
    """What a page shows of an account; that it can't be read is shown, too."""
    services = services_of(request)
    try:
        account, usage = await asyncio.gather(
            services.billing.account(name),
            services.billing.usage(name, CHART_HOURS, CHART_DAYS),
        )
    except BillingUnavailableError:
        return {"account": None, "billing_failed": True, "charts": [], "lasts": None}
    now = services.now()
    charts = [requests_per_hour(usage.hours, now), requests_per_day(usage.days, now)] if account else []
    left = lasts(account.unused_requests, usage.days, now) if account else None
    return {"account": account, "billing_failed": False, "charts": charts, "lasts": left}


def can_top_up(services: Services, app: App | None) -> bool:
    """Whether payments are taken for an app, or for a site that it serves."""
    return app is not None and app.is_served and services.settings.has_payments
