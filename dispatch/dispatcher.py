"""Charge a request to its app's lease and pass it to the app's Worker."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Coroutine
from typing import Any

import js
from pyodide.ffi import JsException, to_js
from workers import wait_until

import answers
from answers import Asker
from billing_client import BillingClient, Grant
from hosts import app_id_of, authority_of
from leases import Lease, Meter
from promises import Promises, lasting_callback
from settings import Settings

PLATFORM_PATH = "/.well-known/codius"
PUBLISHED_HEADERS = ("access-control-allow-origin", "cache-control", "content-type", "retry-after")
# The dashboard may have to ask Cloudflare and GitHub, each within ten seconds.
ATTESTATION_TIMEOUT_MS = 30_000
REQUEST_ID_HEADER = "x-request-id"
RAY_HEADER = "cf-ray"
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# No app has this id: the dashboard's have twelve characters, and no vowels.
HEALTH_ID, HEALTH_PATH = "healthz", "/healthz"
SWITCHING_PROTOCOLS = 101
MAX_LOGGED = 500
MAX_METERS = 10_000
# A call for a lease that has not ended after this long never will: its request is gone.
STALE_CALL_MS = 35_000
SETTLE_RETRY_SECONDS = (0.5, 2.0)

GRANTED = "granted"
UNAVAILABLE = "unavailable"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def object_of(value: dict[str, Any]) -> Any:
    return to_js(value, dict_converter=js.Object.fromEntries)


class Dispatcher:
    """One for each instance of the Worker; holds the leases."""

    def __init__(self, env: Any) -> None:
        self._settings = Settings.read(env)
        self._apps_domain = self._settings.apps_domain
        self._is_on_edge: bool | None = None
        self._get_worker = env.DISPATCHER.get
        self._billing = env.BILLING
        self._env = env
        self._meters: dict[str, Meter] = {}
        limits = {"cpuMs": self._settings.cpu_ms, "subRequests": self._settings.sub_requests}
        self._no_arguments = object_of({})
        self._options = object_of({"limits": limits})
        self._promises = Promises()
        self._on_response = lasting_callback(with_request_id)
        self._on_failure = lasting_callback(self._answer_failure)

    def handle(self, request: Any) -> Any:
        """Return a response, a promise of one, or a coroutine."""
        url: str = request.url
        authority = authority_of(url)
        app_id = app_id_of(authority, self._apps_domain)
        if app_id is None:
            return self._refuse(asker_of(request), authority[:MAX_LOGGED], "no_such_app")
        if PLATFORM_PATH in url and is_platform_path(url[url.index(authority) + len(authority) :]):
            return self._tell_what_answers(request, app_id)
        meter = self._meters.get(app_id)
        if meter is not None and meter.spend(now_ms()):
            return self._forward(request, app_id)
        return self._wait_and_forward(request, app_id)

    async def _tell_what_answers(self, request: Any, app_id: str) -> Any:
        """Ask the dashboard, which knows what was signed and reads what is deployed. Nothing is charged."""
        asker = asker_of(request)
        if not request.url.partition("?")[0].endswith(PLATFORM_PATH):
            return respond(answers.nothing_published(asker))
        if request.method not in ("GET", "HEAD"):
            return respond(answers.method_not_allowed(asker))
        url = f"{self._settings.dashboard_url}/apps/{app_id}/attestation.json"
        options = object_of({"method": request.method, "redirect": "manual"})
        options.signal = js.AbortSignal.timeout(ATTESTATION_TIMEOUT_MS)
        try:
            response = await self._env.DASHBOARD.fetch(url, options)
        except JsException as error:
            log("dashboard_failed", app_id, asker.request_id, str(error))
            return respond(answers.attestation_unavailable(asker))
        headers = {name: header_of(response, name) for name in PUBLISHED_HEADERS}
        given = {name: value for name, value in headers.items() if value is not None}
        init = {"status": response.status, "headers": given | {"x-request-id": asker.request_id}}
        return js.Response.new(response.body, object_of(init))

    # The app's Worker.

    def _forward(self, request: Any, app_id: str) -> Any:
        """Pass a request that has been charged to its Worker; return the promise of the response.

        What came with Cloudflare's id has it on its way back, too, and passes as it is.
        """
        if self._is_on_edge is None:
            # Cloudflare gives every request an id, so one look tells.
            self._is_on_edge = header_of(request, RAY_HEADER) is not None
        if not self._is_on_edge or header_of(request, REQUEST_ID_HEADER) is not None:
            return self._forward_with_id(request, app_id, request_id_of(request))
        return self._fetch(request, app_id, None)

    def _forward_with_id(self, request: Any, app_id: str, request_id: str) -> Any:
        """The same with an `x-request-id` on the request and on the response."""
        request = js.Request.new(request)
        request.headers.set(REQUEST_ID_HEADER, request_id)
        return self._fetch(request, app_id, self._promises.with_context(self._on_response, request_id))

    def _fetch(self, request: Any, app_id: str, on_response: Any) -> Any:
        try:
            worker = self._get_worker(app_id, self._no_arguments, self._options)
            return self._promises.fetch(worker, request, on_response, self._on_failure)
        except JsException as error:
            return self._answer_failure(request, error)

    def _answer_failure(self, request: Any, error: Any) -> Any:
        asker = asker_of(request)
        app_id = str(app_id_of(authority_of(request.url), self._apps_domain))
        message = str(getattr(error, "message", error)).removeprefix("Error: ")
        if message.startswith("Worker not found"):
            self._give_back(app_id)
            return self._refuse(asker, app_id, "no_such_app")
        log("app_failed", app_id, asker.request_id, message)
        return respond(answers.app_failed(asker))

    def _give_back(self, app_id: str) -> None:
        """Uncharge a request that no Worker could serve."""
        meter = self._meters.get(app_id)
        if meter is None or not meter.unspend():
            in_background(self._client(app_id).release(1))

    # Leases.

    async def _wait_and_forward(self, request: Any, app_id: str) -> Any:
        """Wait for a lease, then pass the request on; or say why not."""
        if app_id == HEALTH_ID:
            return respond(answers.health(asker_of(request), path_of(request.url) == HEALTH_PATH))
        until = now_ms() + self._settings.billing_timeout_ms
        while now_ms() < until:
            meter = self._meter(app_id)
            if meter.spend(now_ms()):
                return await self._forward(request, app_id)
            outcome = await self._next_lease(app_id, meter, until)
            if outcome != GRANTED:
                return self._refuse(asker_of(request), app_id, outcome)
        return self._refuse(asker_of(request), app_id, UNAVAILABLE)

    async def _next_lease(self, app_id: str, meter: Meter, until: int) -> str:
        """Wait for the one call that fetches the app's next lease; start it if there is none."""
        now = now_ms()
        if meter.is_refused(now):
            return str(meter.refusal)
        if meter.taking is None or now - meter.taking_since > STALE_CALL_MS:
            # A JavaScript promise, as one request may not resume another: the runtime resumes each of
            # those that wait for it in its own context.
            meter.taking, meter.taking_since = js.Promise.withResolvers(), now
            in_background(self._take(app_id, meter))
        try:
            return str(await asyncio.wait_for(meter.taking.promise, (until - now) / 1000))
        except TimeoutError:
            return UNAVAILABLE

    async def _take(self, app_id: str, meter: Meter) -> None:
        """Fetch the app's next lease, tell all who wait, and settle it in the end."""
        billing, taking = self._client(app_id), meter.taking
        try:
            granted = await self._call_for_lease(billing, app_id, meter)
        except Exception as error:  # whatever the runtime raises: without an answer nothing is served
            log("billing_failed", app_id, None, str(error))
            granted = UNAVAILABLE
        if meter.taking is taking:
            meter.taking = None
        if isinstance(granted, Lease):
            taking.resolve(GRANTED)
            await self._watch(billing, app_id, meter, granted)
        else:
            if granted == "no_account":
                self._meters.pop(app_id, None)
            taking.resolve(granted)

    async def _call_for_lease(self, billing: BillingClient, app_id: str, meter: Meter) -> Lease | str:
        """Take a lease, and settle the one before in the same call."""
        asked_at, last = now_ms(), meter.lease
        block = meter.next_block(asked_at)
        if last is not None and last.id is not None and not last.is_settled:
            last.is_settled = True
            try:
                result = await billing.renew(last.id, last.used, block)
            except Exception:
                in_background(self._settle(billing, app_id, last))
                raise
        else:
            result = await billing.take(block)
        if isinstance(result, Grant):
            return meter.grant(result.lease, result.requests, asked_at, result.milliseconds)
        meter.refuse(result, now_ms())
        return result

    async def _watch(self, billing: BillingClient, app_id: str, meter: Meter, lease: Lease) -> None:
        """Settle a lease when its app goes quiet or its time ends, unless that was done before."""
        while lease.is_owed and (wait := lease.settle_in(now_ms())) > 0:
            await asyncio.sleep(wait / 1000)
        if not lease.is_owed:
            return
        lease.is_settled = True
        if meter.lease is lease and meter.taking is None:
            self._meters.pop(app_id, None)
        await self._settle(billing, app_id, lease)

    async def _settle(self, billing: BillingClient, app_id: str, lease: Lease) -> None:
        # A settlement counts once. A release that got no answer may have counted and is not repeated.
        pauses = SETTLE_RETRY_SECONDS if lease.id is not None else ()
        for pause in (*pauses, None):
            try:
                if lease.id is not None:
                    await billing.settle(lease.id, lease.used)
                else:
                    await billing.release(lease.left)
            except Exception as error:
                if pause is None:
                    log("settlement_failed", app_id, None, str(error))
                else:
                    await asyncio.sleep(pause)
            else:
                return

    def _client(self, app_id: str) -> BillingClient:
        return BillingClient(self._billing.getByName(app_id))

    def _meter(self, app_id: str) -> Meter:
        if app_id not in self._meters and len(self._meters) >= MAX_METERS:
            idle = [name for name, meter in self._meters.items() if meter.is_idle(now_ms())]
            for name in idle:
                del self._meters[name]
        return self._meters.setdefault(app_id, Meter())

    def _refuse(self, asker: Asker, app: str, outcome: str) -> Any:
        """Say why a request isn't passed on, to who asked and in the log. `app` is an id, or a host."""
        if outcome == UNAVAILABLE:
            log("billing_unavailable", app, asker.request_id, "no lease in time")
            return respond(answers.billing_unavailable(asker))
        if outcome == "limit_exceeded":
            log("insufficient_balance", app, asker.request_id, "used up", "info")
            return respond(answers.insufficient_balance(asker, self._settings.dashboard_url, app))
        log("no_such_app", app, asker.request_id, outcome, "info")
        return respond(answers.no_such_app(asker))


def is_platform_path(path: str) -> bool:
    return path.startswith(PLATFORM_PATH) and (
        len(path) == len(PLATFORM_PATH) or path[len(PLATFORM_PATH)] in "/?"
    )


def with_request_id(request_id: str, response: Any) -> Any:
    """The app's response, untouched but for the request's id."""
    if response.status == SWITCHING_PROTOCOLS:
        return response
    copy = js.Response.new(response.body, response)
    copy.headers.set(REQUEST_ID_HEADER, request_id)
    return copy


def in_background(work: Coroutine[Any, Any, None]) -> None:
    """Go on with it when the request has been answered."""
    wait_until(asyncio.ensure_future(work))


def asker_of(request: Any) -> Asker:
    return Asker(request.method, header_of(request, "accept"), request_id_of(request))


def request_id_of(request: Any) -> str:
    """The id that the request came with, the caller's or Cloudflare's; or else a new one."""
    given = header_of(request, REQUEST_ID_HEADER)
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return header_of(request, RAY_HEADER) or uuid.uuid4().hex


def header_of(request: Any, name: str) -> str | None:
    value = request.headers.get(name)
    return value if isinstance(value, str) else None


def respond(answer: answers.Answer) -> Any:
    init = object_of({"status": answer.status, "headers": answer.headers})
    return js.Response.new(answer.body or None, init)


def path_of(url: str) -> str:
    return "/" + url.partition("?")[0].split("/", 3)[3]


def log(event: str, app_id: str, request_id: str | None, message: str, level: str = "error") -> None:
    """One line of JSON for each request that was refused or failed, in the shape of all three Workers."""
    line = {"level": level, "worker": "dispatch", "event": event, "app": app_id, "request_id": request_id}
    write = js.console.error if level == "error" else js.console.log
    write(json.dumps(line | {"message": message[:MAX_LOGGED]}))
