"""`/healthz`: that the dashboard runs, and for its operators whether what it depends on does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from web.errors import UNAVAILABLE
from web.services import Services

NO_APP = "healthz"  # an id that no app has: its object stores nothing when it is asked


async def healthz(request: Request) -> Response:
    services: Services = request.state.services
    headers = {"cache-control": "no-store"}
    if not services.settings.is_operator(request.state.viewer):
        return JSONResponse({"status": "ok"}, headers=headers)
    parts = {
        "billing": services.billing.account(NO_APP),
        "cloudflare": services.namespace.require(),
        "github": services.actions.require(),
    }
    if services.settings.has_payments:
        parts["payments"] = services.stripe().require()
    results = dict(zip(parts, await asyncio.gather(*map(checked, parts.values())), strict=True))
    results.setdefault("payments", {"status": "not configured"})
    failed = any(result["status"] == "failed" for result in results.values())
    content = {"status": "failed" if failed else "ok", "dependencies": results}
    return JSONResponse(content, 503 if failed else 200, headers)


async def checked(work: Awaitable[object]) -> dict[str, str | int]:
    """How long it took, in milliseconds, or why it failed."""
    began = time.monotonic()
    try:
        await work
    except tuple(UNAVAILABLE) as error:
        return {"status": "failed", "message": str(error)}
    return {"status": "ok", "milliseconds": round((time.monotonic() - began) * 1000)}
