"""Charge a request to its app's lease and pass it to the app's Worker (runs in the Workers runtime only)."""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import JsException

import answers
from answers import Asker, Home
from billing_client import BillingClient
from calls import in_background, now_ms
from dashboard_client import DashboardClient, Document
from exchange import (
    ADDRESS_HEADER,
    MAX_LOGGED,
    RAY_HEADER,
    REQUEST_ID_HEADER,
    VERSION_HEADERS,
    WORKERS_ZONE_HEADER,
    asker_of,
    header_of,
    log,
    object_of,
    path_of,
    request_id_of,
    respond,
)
from failure_reports import FailureReports
from hosts import app_id_of, authority_of
from lease_keeper import CLOSED, GRANTED, MISSING, NO_ACCOUNT, SUSPENDED, UNAVAILABLE, LeaseKeeper
from paths import PLATFORM_PATH, may_be_platforms, platform_path
from promises import Promises, lasting_callback
from settings import Settings
from settlement import Settlement
from visitors import WORKERS, TooManyInVainError, Visitors, network_of, workers_of

# What Cloudflare says when there is no such Worker. An app can say so, too.
NO_WORKER = "Worker not found"
TOO_MANY = "too_many"
# No app has this id: the dashboard's have twelve characters, and no vowels.
HEALTH_ID, HEALTH_PATH = "healthz", "/healthz"
SWITCHING_PROTOCOLS = 101


class Dispatcher:
    """One for each instance of the Worker."""

    def __init__(self, env: Any) -> None:
        self._settings = Settings.read(env)
        self._apps_domain = self._settings.apps_domain
        self._home = Home(self._settings.dashboard_url, self._settings.contact)
        self._is_on_edge: bool | None = None
        self._get_worker = env.DISPATCHER.get
        self._unknown_apps = env.UNKNOWN_APPS
        self._dashboard = DashboardClient(env.DASHBOARD, self._settings.dashboard_url)
        self._failures = FailureReports(self._dashboard)
        self._visitors = Visitors(self._is_one_too_many, now_ms)
        self._promises = Promises()
        billing = BillingClient(env.BILLING, self._promises)
        self._settlement = Settlement(billing)
        self._leases = LeaseKeeper(
            billing, self._settlement, self._settings.billing_timeout_ms, self._promises, self._end_question
        )
        self._meters = self._leases.meters
        limits = {"cpuMs": self._settings.cpu_ms, "subRequests": self._settings.sub_requests}
        self._no_arguments = object_of({})
        self._options = object_of({"limits": limits})
        # As `names.some(headers.has, headers)`: one step into JavaScript for all of them.
        self._has_any = js.Array.of(REQUEST_ID_HEADER, *VERSION_HEADERS).some
        self._of_headers = js.Headers.prototype.has
        self._on_response = lasting_callback(with_request_id)
        self._on_failure = lasting_callback(self._answer_failure)

    def handle(self, request: Any) -> Any:
        """Return a response, a promise of one, or a coroutine."""
        url: str = request.url
        authority = authority_of(url)
        app_id = app_id_of(authority, self._apps_domain)
        if app_id is None:
            return self._refuse(asker_of(request), authority[:MAX_LOGGED], "no_such_app")
        if may_be_platforms(url) and (path := platform_path(path_of(url))) is not None:
            return self._tell_what_answers(request, app_id, path)
        meter = self._meters.get(app_id)
        now = now_ms()
        if meter is not None and meter.spend(now):
            if now >= self._settlement.watch_from:
                self._settlement.watch(now)
            return self._forward(request, meter.worker)
        return self._ask_for_lease(request, app_id)

    # A request without a lease at hand.

    def _ask_for_lease(self, request: Any, app_id: str) -> Any:
        # Looked for here, where it costs the requests that have a lease nothing.
        if app_id == HEALTH_ID:
            is_asked = path_of(request.url) == HEALTH_PATH
            if not is_asked:
                return self._refuse(asker_of(request), app_id, NO_ACCOUNT)
            return respond(answers.health(asker_of(request)))
        began_at = 0
        if self._leases.is_stranger(app_id):
            try:
                began_at = self._visitors.begin(visitor_of(request))
            except TooManyInVainError:
                return self._refuse(asker_of(request), app_id, TOO_MANY)
        return self._leases.take_request(request, app_id, began_at)

    def _end_question(self, request: Any, app_id: str, began_at: int, outcome: str) -> Any:
        """Answer a request that has asked for a lease; count it where it was in vain."""
        if began_at and outcome == NO_ACCOUNT:
            in_background(self._visitors.end_in_vain(visitor_of(request), began_at))
        elif began_at:
            self._visitors.end(visitor_of(request), began_at)
        if outcome == GRANTED:
            return self._forward(request, self._meters[app_id].worker)
        return self._refuse(asker_of(request), app_id, outcome)

    # The platform's own path.

    async def _tell_what_answers(self, request: Any, app_id: str, path: str) -> Any:
        """Pass on what the dashboard says of an app. Nothing is charged."""
        asker = asker_of(request)
        if path != PLATFORM_PATH:
            log("refused", app_id, asker.request_id, "404: nothing is published there", "info")
            return respond(answers.nothing_published(asker))
        if asker.method not in ("GET", "HEAD"):
            log("refused", app_id, asker.request_id, f"405: {asker.method}", "info")
            return respond(answers.method_not_allowed(asker))
        try:
            document = await self._document(request, app_id)
        except TooManyInVainError:
            log("too_many_in_vain", app_id, asker.request_id, "429", "info")
            return respond(answers.too_many_documents_in_vain(asker))
        if document is None:
            return respond(answers.attestation_unavailable(asker))
        return respond_with_document(document, asker.request_id)

    async def _document(self, request: Any, app_id: str) -> Document | None:
        if self._dashboard.has_document(app_id):
            return await self._dashboard.document(app_id)
        return await self._visitors.ask(
            visitor_of(request),
            lambda: self._dashboard.document(app_id),
            lambda found: found is not None and found.status == 404,
        )

    # The app's Worker.

    def _forward(self, request: Any, worker: str) -> Any:
        """Pass a request that has been charged to its Worker; return the promise of the response.

        What came with Cloudflare's id has it on its way back, too, and passes as it is.
        """
        if self._is_on_edge is None:
            # Cloudflare gives every request an id, so one look tells.
            self._is_on_edge = header_of(request, RAY_HEADER) is not None
        if not self._is_on_edge or self._has_any(self._of_headers, request.headers):
            return self._forward_copy(request, worker, request_id_of(request))
        return self._fetch(request, worker, None)

    def _forward_copy(self, request: Any, worker: str, request_id: str) -> Any:
        """The same with an `x-request-id` on the request and on the response, and no choice of a version."""
        request = js.Request.new(request)
        request.headers.set(REQUEST_ID_HEADER, request_id)
        for name in VERSION_HEADERS:
            request.headers.delete(name)
        return self._fetch(request, worker, self._promises.with_context(self._on_response, request_id))

    def _fetch(self, request: Any, worker: str, on_response: Any) -> Any:
        try:
            stub = self._get_worker(worker, self._no_arguments, self._options)
            return self._promises.fetch(stub, request, on_response, self._on_failure)
        except JsException as error:
            return self._answer_failure(request, error)

    def _answer_failure(self, request: Any, error: Any) -> Any:
        """Answer for an app that failed, which is charged: a response, or a JavaScript promise of one."""
        asker = asker_of(request)
        app_id = str(app_id_of(authority_of(request.url), self._apps_domain))
        message = self._failures.message_of(error)
        if message.startswith(NO_WORKER):
            answer = js.Promise.withResolvers()
            in_background(self._answer_for_missing(asker, app_id, message, answer))
            return answer.promise
        return self._app_failed(asker, app_id, message)

    def _app_failed(self, asker: Asker, app_id: str, message: str) -> Any:
        log("app_failed", app_id, asker.request_id, message)
        # What serves a site may have been switched since the request began: both versions are its owner's.
        worker = getattr(self._meters.get(app_id), "worker", "") or app_id
        self._failures.note(worker, message, asker)
        return respond(answers.app_failed(asker, self._home, app_id))

    async def _answer_for_missing(self, asker: Asker, app_id: str, message: str, answer: Any) -> None:
        """Uncharge the request where Cloudflare says that there is no such Worker. Words prove nothing."""
        if await self._dashboard.is_missing(app_id):
            self._leases.stop(app_id)
            answer.resolve(self._refuse(asker, app_id, MISSING))
        else:
            answer.resolve(self._app_failed(asker, app_id, message))

    async def _is_one_too_many(self, network: str) -> bool:
        """Count one question that was asked in vain; if that can't be counted, it wasn't too many."""
        try:
            return (await self._unknown_apps.limit(object_of({"key": network}))).success is False
        except JsException as error:
            log("rate_limit_failed", "", None, str(error))
            return False

    def _refuse(self, asker: Asker, app: str, outcome: str) -> Any:
        """Say why a request isn't passed on, to who asked and in the log. `app` is an id, or a host."""
        home = self._home
        if outcome == UNAVAILABLE:
            log("billing_unavailable", app, asker.request_id, "no lease in time")
            return respond(answers.billing_unavailable(asker, home, app))
        if outcome == "limit_exceeded":
            log("insufficient_balance", app, asker.request_id, "used up", "info")
            return respond(answers.insufficient_balance(asker, home, app))
        if outcome == SUSPENDED:
            reason = self._leases.reason_of(app)
            log("suspended", app, asker.request_id, reason, "info")
            return respond(answers.suspended(asker, home, app, reason))
        if outcome == TOO_MANY:
            log("too_many_in_vain", app, asker.request_id, "429", "info")
            return respond(answers.too_many_in_vain(asker, home))
        log("no_such_app", app, asker.request_id, outcome, "info")
        if outcome == CLOSED:
            return respond(answers.deleted(asker, home, app))
        if outcome == MISSING:
            return respond(answers.missing(asker, home, app))
        return respond(answers.no_such_app(asker, home))


def visitor_of(request: Any) -> str:
    network = network_of(header_of(request, ADDRESS_HEADER))
    return workers_of(header_of(request, WORKERS_ZONE_HEADER)) if network == WORKERS else network


def respond_with_document(document: Document, request_id: str) -> Any:
    age = str(max(0, (now_ms() - document.asked_at) // 1000))
    headers = document.headers | {"age": age, REQUEST_ID_HEADER: request_id}
    return js.Response.new(document.body, object_of({"status": document.status, "headers": headers}))


def with_request_id(request_id: str, response: Any) -> Any:
    """The app's response, untouched but for the request's id."""
    if response.status == SWITCHING_PROTOCOLS:
        return response
    copy = js.Response.new(response.body, response)
    copy.headers.set(REQUEST_ID_HEADER, request_id)
    return copy
