"""Charge a request to its app's lease and pass it to the app's Worker (runs in the Workers runtime only)."""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import JsException

import answers
from answers import Asker
from exchange import (
    MAX_LOGGED,
    RAY_HEADER,
    REQUEST_ID_HEADER,
    asker_of,
    header_of,
    log,
    object_of,
    path_of,
    request_id_of,
    respond,
)
from hosts import app_id_of, authority_of
from lease_keeper import GRANTED, UNAVAILABLE, LeaseKeeper, now_ms
from promises import Promises, lasting_callback
from settings import Settings

PLATFORM_PATH = "/.well-known/codius"
PUBLISHED_HEADERS = ("access-control-allow-origin", "cache-control", "content-type", "retry-after")
# The dashboard may have to ask Cloudflare and GitHub, each within ten seconds.
ATTESTATION_TIMEOUT_MS = 30_000
# No app has this id: the dashboard's have twelve characters, and no vowels.
HEALTH_ID, HEALTH_PATH = "healthz", "/healthz"
SWITCHING_PROTOCOLS = 101


class Dispatcher:
    """One for each instance of the Worker."""

    def __init__(self, env: Any) -> None:
        self._settings = Settings.read(env)
        self._apps_domain = self._settings.apps_domain
        self._is_on_edge: bool | None = None
        self._get_worker = env.DISPATCHER.get
        self._env = env
        self._leases = LeaseKeeper(env.BILLING, self._settings.billing_timeout_ms)
        self._meters = self._leases.meters
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
        if PLATFORM_PATH in url and f"{path_of(url)}/".startswith(f"{PLATFORM_PATH}/"):
            return self._tell_what_answers(request, app_id)
        meter = self._meters.get(app_id)
        if meter is not None and meter.spend(now_ms()):
            return self._forward(request, app_id)
        return self._wait_and_forward(request, app_id)

    async def _tell_what_answers(self, request: Any, app_id: str) -> Any:
        """Ask the dashboard, which knows what was signed and reads what is deployed. Nothing is charged."""
        asker = asker_of(request)
        if path_of(request.url) != PLATFORM_PATH:
            log("refused", app_id, asker.request_id, "404: nothing is published there", "info")
            return respond(answers.nothing_published(asker))
        if request.method not in ("GET", "HEAD"):
            log("refused", app_id, asker.request_id, f"405: {request.method}", "info")
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
            self._leases.give_back(app_id)
            return self._refuse(asker, app_id, "no_such_app")
        log("app_failed", app_id, asker.request_id, message)
        return respond(answers.app_failed(asker))

    async def _wait_and_forward(self, request: Any, app_id: str) -> Any:
        """Wait for a lease, then pass the request on; or say why not."""
        # Looked for here, where no lease is at hand: it costs the requests that have one nothing.
        if app_id == HEALTH_ID:
            is_asked = path_of(request.url) == HEALTH_PATH
            return respond((answers.health if is_asked else answers.no_such_app)(asker_of(request)))
        outcome = await self._leases.take_request(app_id)
        if outcome == GRANTED:
            return await self._forward(request, app_id)
        return self._refuse(asker_of(request), app_id, outcome)

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


def with_request_id(request_id: str, response: Any) -> Any:
    """The app's response, untouched but for the request's id."""
    if response.status == SWITCHING_PROTOCOLS:
        return response
    copy = js.Response.new(response.body, response)
    copy.headers.set(REQUEST_ID_HEADER, request_id)
    return copy
