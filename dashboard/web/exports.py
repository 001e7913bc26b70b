"""Payments and usage as CSV (RFC 4180), for programs and spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from model.limits import DAY_MS, HOUR_MS
from model.payment import Line, Payment, statement
from web.access import require_viewer, visible_app, visible_site
from web.rates import spend
from web.services import Services, services_of
from web.site_history import time_of

MOST_PAYMENTS = 5_000
MOST_HOURS, MOST_DAYS = 90 * 24, 10 * 366  # as many as a billing object tells
PAYMENT_COLUMNS = ("time", "what", "status", "amount_usd")


async def payments_of_app(request: Request) -> Response:
    app, services = await visible_app(request), services_of(request)
    await spend(request, "exports")
    found = await services.payments.of_app(app.id, MOST_PAYMENTS)
    return await public_payments(services, app.id, found)


async def payments_of_site(request: Request) -> Response:
    site, services = await visible_site(request), services_of(request)
    await spend(request, "exports")
    found = await services.payments.of_site(site.name, MOST_PAYMENTS)
    return await public_payments(services, site.name, found)


async def public_payments(services: Services, name: str, found: Sequence[Payment]) -> Response:
    """Without the payments' ids: who knows one sees the receipt."""
    lines = statement(found, await services.reversals.of_payments(found))
    rows = [(*cells_of(line), line.payment.shown_login or "anonymous") for line in lines]
    return csv_of(f"{name}-payments", (*PAYMENT_COLUMNS, "by"), rows)


async def payments_of_user(request: Request) -> Response:
    viewer, services = require_viewer(request), services_of(request)
    await spend(request, "exports")
    found = await services.payments.of_user(viewer.id, MOST_PAYMENTS)
    lines = statement(found, await services.reversals.of_payments(found))
    rows = [(*cells_of(line), line.payment.account, line.payment.id) for line in lines]
    return csv_of("payments", (*PAYMENT_COLUMNS, "for", "payment"), rows)


def cells_of(line: Line) -> tuple[str, ...]:
    """The amount is empty for one that isn't in US dollars."""
    amount = "" if line.cents is None else f"{'-' * (line.cents < 0)}{decimal(abs(line.cents))}"
    return str(time_of(line.at)), line.what, line.word, amount


def decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


async def usage_of_app(request: Request) -> Response:
    app = await visible_app(request)
    return await usage(request, app.id, app.created_at)


async def usage_of_site(request: Request) -> Response:
    site = await visible_site(request)
    return await usage(request, site.name, site.created_at)


async def usage(request: Request, name: str, created_at: int) -> Response:
    """Charged requests of each day (UTC) since the account is there, or with `?per=hour` of each hour."""
    services = services_of(request)
    await spend(request, "exports")
    is_hourly = request.query_params.get("per") == "hour"
    period_ms, most = (HOUR_MS, MOST_HOURS) if is_hourly else (DAY_MS, MOST_DAYS)
    number = max(1, min(most, services.now() // period_ms - created_at // period_ms + 1))
    used = await services.billing.usage(name, number if is_hourly else 1, 1 if is_hourly else number)
    counts = used.hours if is_hourly else used.days
    first = services.now() // period_ms - len(counts) + 1
    rows = [(period_of((first + n) * period_ms, is_hourly), str(count)) for n, count in enumerate(counts)]
    return csv_of(f"{name}-usage", ("hour" if is_hourly else "day", "requests"), rows)


def period_of(milliseconds: int, is_hourly: bool) -> str:
    time = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{time:%Y-%m-%dT%H:00Z}" if is_hourly else f"{time:%Y-%m-%d}"


def csv_of(name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Response:
    """No cell is typed by anyone: none begins with what a spreadsheet would take for a formula."""
    text = io.StringIO()
    csv.writer(text).writerows([columns, *rows])
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
