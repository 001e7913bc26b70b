"""`/operator`: what an operator wants to see of all apps. Nobody else learns that it is there."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from model.app import STATES
from model.limits import DAY_MS, HOUR_MS
from model.payment import RefundReason
from web.charts import apps_per_day, requests_per_day
from web.operator_acts import require_operator
from web.pages import FAR_FUTURE, page
from web.services import services_of

APPS_SHOWN = 25
FAILURES_SHOWN = 25
SUSPENSIONS_SHOWN = 100
ACTS_SHOWN = 10
REFUSALS_SHOWN = 25
CHART_DAYS = 30
# How long a payment is listed of which there is nothing to refund.
NOTHING_PAID_SHOWN_MS = 30 * DAY_MS


REASONS: dict[RefundReason, str] = {
    "deleted": "The app was deleted",
    "missing": "The app's Worker is missing",
    "currency": "Not in US dollars: not credited",
    "nothing": "There was nothing to pay: nothing to refund",
}


async def operator(request: Request) -> Response:
    services = services_of(request)
    require_operator(request)
    now = services.now()
    totals, days = await services.sums.totals(), await services.sums.days(now, CHART_DAYS)
    latest = await services.apps.latest(APPS_SHOWN)
    seen = await services.accounts.known([app.id for app in latest])
    return page(
        request,
        "operator.html",
        totals=totals,
        apps_by_state={state: totals.apps[state] for state in STATES if state in totals.apps},
        apps=[{"app": app, "seen": seen.get(app.id)} for app in latest],
        usage_hours_late=await services.accounts.late(now) // HOUR_MS,
        reasons=REASONS,
        to_refund=await services.payments.to_refund(now - NOTHING_PAID_SHOWN_MS, FAILURES_SHOWN),
        unbooked_payments=await services.payments.failed(FAILURES_SHOWN),
        unbooked_reversals=await services.reversals.failed(FAILURES_SHOWN),
        differing=await services.checks.store.differing(FAILURES_SHOWN),
        charts=[apps_per_day(days.apps, now), requests_per_day(days.requests, now)],
        switches=await services.overrides.switches(),
        suspensions=await services.suspensions.latest(FAR_FUTURE, SUSPENSIONS_SHOWN),
        untold=await services.suspensions.untold(),
        unusable=await services.suspending.unusable(),
        acts=await services.suspensions.acts(FAR_FUTURE, ACTS_SHOWN),
        refused=await services.refusing.store.lately(now, REFUSALS_SHOWN),
        failures=await services.apps.latest_failed(FAILURES_SHOWN),
    )
