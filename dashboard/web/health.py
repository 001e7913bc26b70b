"""`/healthz`: that the dashboard runs, and for its operators whether what it depends on does.

`/operator/health` says that in words, with how deploys end and what waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from web.errors import UNAVAILABLE
from web.metrics import PARTS
from web.operator_acts import require_operator
from web.pages import page
from web.services import Services, services_of

Result = dict[str, str | int]  # a status, and how long it took or why it failed
NO_APP = "healthz"  # an id that no app has: its object stores nothing when it is asked


async def healthz(request: Request) -> Response:
    services = services_of(request)
    headers = {"cache-control": "no-store"}
    if not services.settings.is_operator(request.state.viewer):
        return JSONResponse({"status": "ok"}, headers=headers)
    results = await dependencies(services)
    failed = any(result["status"] == "failed" for result in results.values())
    content = {"status": "failed" if failed else "ok", "dependencies": results}
    return JSONResponse(content, 503 if failed else 200, headers)


async def in_words(request: Request) -> Response:
    """A page of its own, which the operator's page loads into itself: it waits for others."""
    require_operator(request)
    services, now = services_of(request), services_of(request).now()
    backlog = await services.measures.backlog(now)
    return page(
        request,
        "operator_health.html",
        dependencies=await dependencies(services),
        deploys=await services.measures.deploys(now),
        waiting={part: (backlog[part], backlog[f"{part}_age"]) for part in PARTS if backlog[part]},
    )


async def dependencies(services: Services) -> dict[str, Result]:
    parts: dict[str, Awaitable[object]] = {
        "billing": services.billing.account(NO_APP),
        "cloudflare": services.namespace.require(),
        "github": services.actions.require(),
    }
    if services.settings.has_payments:
        parts["payments"] = services.stripe().require()
    results = dict(zip(parts, await asyncio.gather(*map(checked, parts.values())), strict=True))
    results.setdefault("payments", {"status": "not configured"})
    return results


async def checked(work: Awaitable[object]) -> Result:
    """How long it took, in milliseconds, or why it failed."""
    began = time.monotonic()
    try:
        await work
    except tuple(UNAVAILABLE) as error:
        return {"status": "failed", "message": str(error)}
    return {"status": "ok", "milliseconds": round((time.monotonic() - began) * 1000)}
