"""The dashboard's pages: which URL shows what, and what all of them share."""

from __future__ import annotations

import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

from billing_account import BillingAccount, BillingUnavailableError, read_account
from money import dollars
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

APP_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
templates.env.filters["dollars"] = dollars
templates.env.filters["count"] = "{:,}".format


def application() -> Starlette:
    return Starlette(
        routes=[
            Route("/", home),
            Route("/apps/{app_id}/402", payment_required),
        ],
        exception_handlers={
            HTTPException: http_error,
            BillingUnavailableError: billing_error,
            Exception: server_error,
        },
    )


async def home(request: Request) -> Response:
    query = "SELECT count(*) AS hosted FROM apps WHERE deleted_at IS NULL"
    hosted = await request.scope["env"].DB.prepare(query).first("hosted")
    return page(request, "home.html", hosted=hosted)


async def payment_required(request: Request) -> Response:
    """Where dispatch sends browsers when an app has used up its prepaid requests."""
    app_id = request.path_params["app_id"]
    return page(request, "payment_required.html", app_id=app_id, account=await account_of(request, app_id))


async def account_of(request: Request, app_id: str) -> BillingAccount:
    """The app's account; a 404 page when there is none. An id that can't exist asks nobody."""
    account = await read_account(request.scope["env"], app_id) if APP_ID.fullmatch(app_id) else None
    if account is None:
        raise HTTPException(404)
    return account


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    return templates.TemplateResponse(request, template, values, status_code=status, headers=HEADERS)


async def http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return page(request, "not_found.html", status)
    return page(request, "error.html", status, title=getattr(error, "detail", "Error"), request_id=None)


async def billing_error(request: Request, error: Exception) -> Response:
    request_id = log_error(request, "billing_unavailable", error)
    return page(request, "error.html", 503, title="Billing can't be reached", request_id=request_id)


async def server_error(request: Request, error: Exception) -> Response:
    request_id = log_error(request, "page_failed", error)
    return page(request, "error.html", 500, title="Something went wrong", request_id=request_id)


def log_error(request: Request, event: str, error: Exception) -> str:
    """Write one line of JSON, in the shape that all three Workers use; return the request's id."""
    request_id = request.headers.get("cf-ray") or uuid.uuid4().hex
    line = {"level": "error", "worker": "dashboard", "event": event, "path": request.url.path}
    message = f"{type(error).__name__}: {error}"[:500]
    print(json.dumps(line | {"request_id": request_id, "message": message}), file=sys.stderr)
    return request_id
