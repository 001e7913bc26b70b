"""Keeps the leases of one instance: fetches and renews them (runs in the Workers runtime only).

A request that needs a lease and has nobody before it goes no way through asyncio: the object's promise is
chained to what follows by JavaScript's own functions. Requests that come meanwhile wait for that one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pyodide.ffi import JsException
from workers import wait_until

from billing_client import BillingClient, Suspension, read_grant
from calls import in_background, now_ms
from exchange import log
from leases import Lease, Meter
from promises import Promises, lasting_callback
from settlement import Settlement

MAX_METERS = 10_000

GRANTED = "granted"
UNAVAILABLE = "unavailable"
MISSING = "missing"
NO_ACCOUNT = "no_account"
CLOSED = "closed"
SUSPENDED = "suspended"
# For so long a missing Worker is not asked for again.
MISSING_MS = 60_000

# Answers a request of an app, told how it ended: GRANTED, UNAVAILABLE, SUSPENDED or the object's word. The
# number is its caller's.
AnswerRequest = Callable[[Any, str, int, str], Any]


class LeaseKeeper:
    """`meters` are of what was asked for lately, by an app's id or a site's name; `answer` gets each request
    once.
    """

    def __init__(
        self,
        billing: BillingClient,
        settlement: Settlement,
        timeout_ms: int,
        promises: Promises,
        answer: AnswerRequest,
    ) -> None:
        self.meters: dict[str, Meter] = {}
        self._most_meters = MAX_METERS
        self._billing, self._settlement, self._timeout_ms = billing, settlement, timeout_ms
        self._promises, self._answer = promises, answer
        self._on_answer = lasting_callback(self._go_on)
        self._on_failure = lasting_callback(self._fail)
        self._on_late_answer = lasting_callback(self._note_late)
        self._on_late_failure = lasting_callback(self._note_failure)

    def is_stranger(self, app_id: str) -> bool:
        """Whether a request for an app would call its object, of which nothing is known here."""
        meter = self.meters.get(app_id)
        if meter is None:
            return True
        now = now_ms()
        return meter.lease is None and not meter.is_refused(now) and not meter.is_asking(now)

    def reason_of(self, app_id: str) -> str:
        """Why an app was suspended that was refused just now."""
        meter = self.meters.get(app_id)
        return "" if meter is None else meter.reason

    def stop(self, app_id: str) -> None:
        """Serve an app, whose Worker is missing, no more for a while; uncharge the request that found out."""
        now = now_ms()
        self._meter(app_id, now).stop(MISSING, now, MISSING_MS)
        self.give_back(app_id)

    def give_back(self, app_id: str) -> None:
        """Uncharge a request that no Worker could serve."""
        meter = self.meters.get(app_id)
        if meter is None or not meter.unspend():
            in_background(self._settlement.release(app_id, 1))

    def take_request(self, request: Any, app_id: str, number: int) -> Any:
        """Charge a request to a lease that is asked for, and answer it; a promise or a coroutine."""
        now = now_ms()
        meter = self._meter(app_id, now)
        if meter.is_refused(now):
            return self._answer(request, app_id, number, str(meter.refusal))
        if meter.is_asking(now):
            return self._wait(request, app_id, number, meter)
        meter.asked_at = now
        try:
            meter.asked = self._ask(app_id, meter, now)
        except JsException as error:
            return self._fail(request, app_id, number, now, error)
        # A lease is noted also where its visitor has gone.
        wait_until(self._promises.ended(meter.asked))
        # Of this request, which goes on until the call has ended: were it one of those who wait, they all
        # would end with its visitor.
        meter.waiting = self._promises.with_resolvers()
        soon = self._promises.within(meter.asked, self._timeout_ms)
        context = request, app_id, number, now
        return self._promises.then(soon, self._on_answer, self._on_failure, *context)

    # One call for a lease.

    def _ask(self, app_id: str, meter: Meter, now: int) -> Any:
        """The promise of the next lease; the last one is settled by the same call."""
        last, block = meter.lease, meter.next_block(now)
        if last is None or last.id is None or last.is_settled or last.is_forgotten(now):
            return self._billing.take(app_id, block)
        meter.renewed = last
        self._settlement.take_over(last)
        return self._billing.renew(app_id, last.id, last.used, block)

    def _go_on(self, request: Any, app_id: str, number: int, asked_at: int, result: Any) -> Any:
        """Answer the request that asked; `result` is the object's, or None when its time is up."""
        if result is not None:
            outcome = self._note(app_id, asked_at, result, is_spent=True)
            return self._answer(request, app_id, number, outcome)
        meter = self._meter(app_id, now_ms())
        if meter.asked_at == asked_at:
            context = app_id, asked_at
            self._promises.then(meter.asked, self._on_late_answer, self._on_late_failure, *context)
        return self._answer(request, app_id, number, UNAVAILABLE)

    def _fail(self, request: Any, app_id: str, number: int, asked_at: int, error: Any) -> Any:
        self._note_failure(app_id, asked_at, error)
        return self._answer(request, app_id, number, UNAVAILABLE)

    def _note_late(self, app_id: str, asked_at: int, result: Any) -> None:
        self._note(app_id, asked_at, result, is_spent=False)

    def _note(self, app_id: str, asked_at: int, result: Any, is_spent: bool) -> str:
        """Hold the lease that the object gave, and tell all who wait; return how the call ended."""
        now = now_ms()
        meter, outcome, granted = self._meter(app_id, now), GRANTED, read_grant(result)
        if isinstance(granted, Suspension):
            outcome = SUSPENDED
            meter.refuse(outcome, now, granted.reason)
        elif isinstance(granted, str):
            outcome = granted
            meter.refuse(outcome, now)
        else:
            worker = granted.worker or app_id
            lease = meter.grant(granted.lease, granted.requests, asked_at, granted.milliseconds, worker)
            if is_spent:
                meter.spend_first(now)
            if lease.is_owed:
                self._settlement.add(app_id, lease)
        self._end_call(meter, asked_at, outcome)
        return outcome

    def _note_failure(self, app_id: str, asked_at: int, error: Any) -> None:
        log("billing_failed", app_id, None, str(getattr(error, "message", error)))
        renewed = self._end_call(self._meter(app_id, now_ms()), asked_at, UNAVAILABLE)
        if renewed is not None:
            in_background(self._settlement.settle(app_id, renewed))

    @staticmethod
    def _end_call(meter: Meter, asked_at: int, outcome: str) -> Lease | None:
        """Tell all who wait how a call ended; return the lease that it was to renew."""
        if meter.asked_at != asked_at:
            return None  # it took so long that there was another
        renewed, waiting, has_waiters = meter.renewed, meter.waiting, meter.waiters > 0
        meter.asked_at, meter.asked, meter.renewed, meter.waiting = None, None, None, None
        meter.count_unserved()
        if has_waiters:
            waiting.resolve(outcome)
        return renewed

    # Those who wait for a call that another request has made.

    async def _wait(self, request: Any, app_id: str, number: int, meter: Meter) -> Any:
        until = now_ms() + self._timeout_ms
        while (now := now_ms()) < until:
            if meter.spend(now):
                return await answered(self._answer(request, app_id, number, GRANTED))
            if not meter.is_asking(now):
                return await answered(self.take_request(request, app_id, number))
            meter.waiters += 1
            try:
                # A JavaScript promise, as one request may not resume another: the runtime resumes each of
                # those that wait for it in its own context.
                outcome = str(await asyncio.wait_for(meter.waiting.promise, (until - now) / 1000))
            except (TimeoutError, JsException):  # the call takes too long, or longer than its request lives
                break
            if outcome != GRANTED:
                return await answered(self._answer(request, app_id, number, outcome))
        return self._answer(request, app_id, number, UNAVAILABLE)

    def _meter(self, app_id: str, now: int) -> Meter:
        if app_id not in self.meters and len(self.meters) >= self._most_meters:
            for name in [name for name, meter in self.meters.items() if meter.is_idle(now)]:
                del self.meters[name]
            # Not looked through again for each app where all are in use.
            self._most_meters = max(MAX_METERS, 2 * len(self.meters))
        return self.meters.setdefault(app_id, Meter())


async def answered(answer: Any) -> Any:
    """What a promise, a coroutine or a response comes to."""
    return await answer if hasattr(answer, "__await__") or hasattr(answer, "then") else answer
