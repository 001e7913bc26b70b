"""The dashboard Worker: requests go to a Starlette application, a cron trigger to the upkeep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from js import JSON, Array
from workers import Response, WorkerEntrypoint, asgi, wait_until

from clients.rate_limit import RateLimit
from clients.runtime_fetch import fetch
from model.rates import Rates
from model.refusals import Tally
from store.d1 import D1
from web import errors
from web.application import application
from web.bodies import refusal_of_body, refusal_of_head
from web.services import Services, now_ms
from web.settings import Settings

tally = Tally()  # of this instance


def services_of(env: Any) -> Services:
    rates = Rates(RateLimit(env.REQUESTS), RateLimit(env.COSTLY))
    return Services.make(Settings.read(env), D1(env.DB), env.BILLING, env.BILLING_WORKER, fetch, rates, tally)


app = application(lambda scope: services_of(scope["env"]), wait_until)


def refused(path: str, status: int, reason: str, headers: Mapping[str, str]) -> Response:
    request_id = errors.log_refusal(path, status, reason, headers)
    return Response(None, status=status, headers={errors.REQUEST_ID: request_id})


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        # Measured by JavaScript: the bridge would read all of it, each header by a call, first.
        raw = request.js_object
        status = refusal_of_head(len(raw.url), len(JSON.stringify(Array.from_(raw.headers))))
        if status is not None:
            return refused("", status, "the head's length", {})
        status = refusal_of_body(request.method, request.headers.get("content-length"))
        if status is not None:
            return refused(urlsplit(request.url).path, status, "the body's length", request.headers)
        return await asgi.fetch(app, request, self.env)

    async def is_script_missing(self, name: str) -> bool:
        """Whether the Worker of an app, or of a site, is not there at all.

        Dispatch asks, by RPC; nobody else can.
        """
        services, now = services_of(self.env), now_ms()
        return await services.presence.is_missing(await services.site_hosting.worker_of(name, now), now)

    async def note_failures(self, report: str) -> None:
        """Keep what apps failed with, for their deployers. Dispatch tells, by RPC; nobody else can."""
        await services_of(self.env).failures.note(report)

    async def scheduled(self, controller: Any, env: Any, ctx: Any) -> None:
        await services_of(self.env).upkeep.run(now_ms(), errors.log_upkeep)
