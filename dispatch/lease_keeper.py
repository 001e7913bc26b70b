"""Keeps the leases of one instance: fetches, renews, settles them (runs in the Workers runtime only)."""

from __future__ import annotations

import asyncio
from typing import Any

import js

from billing_client import BillingClient, Grant
from calls import STALE_CALL_MS, in_background, now_ms
from exchange import log
from leases import Lease, Meter

MAX_METERS = 10_000
SETTLE_RETRY_SECONDS = (0.5, 2.0)

GRANTED = "granted"
UNAVAILABLE = "unavailable"
MISSING = "missing"
# For so long a missing Worker is not asked for again.
MISSING_MS = 60_000


class LeaseKeeper:
    """`meters` are those of the apps that were asked for lately, by id; `billing` is the objects' binding."""

    def __init__(self, billing: Any, timeout_ms: int) -> None:
        self.meters: dict[str, Meter] = {}
        self._billing, self._timeout_ms = billing, timeout_ms

    async def take_request(self, app_id: str) -> str:
        """Charge one request, on a lease that is waited for if need be.

        Returns GRANTED, or why it wasn't: UNAVAILABLE, or the billing object's word.
        """
        until = now_ms() + self._timeout_ms
        while now_ms() < until:
            meter = self._meter(app_id)
            if meter.spend(now_ms()):
                return GRANTED
            outcome = await self._next_lease(app_id, meter, until)
            if outcome != GRANTED:
                return outcome
        return UNAVAILABLE

    def is_stranger(self, app_id: str) -> bool:
        """Whether a request for an app would call its object, of which nothing is known here."""
        meter = self.meters.get(app_id)
        if meter is None:
            return True
        return meter.lease is None and not meter.is_refused(now_ms()) and not self._is_taking(meter)

    def stop(self, app_id: str) -> None:
        """Serve an app, whose Worker is missing, no more for a while; uncharge the request that found out."""
        self._meter(app_id).stop(MISSING, now_ms(), MISSING_MS)
        self.give_back(app_id)

    def give_back(self, app_id: str) -> None:
        """Uncharge a request that no Worker could serve."""
        meter = self.meters.get(app_id)
        if meter is None or not meter.unspend():
            in_background(self._client(app_id).release(1))

    async def _next_lease(self, app_id: str, meter: Meter, until: int) -> str:
        """Wait for the one call that fetches the app's next lease; start it if there is none."""
        now = now_ms()
        if meter.is_refused(now):
            return str(meter.refusal)
        if not self._is_taking(meter):
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
        if meter.lease is lease and meter.taking is None and not meter.is_refused(now_ms()):
            self.meters.pop(app_id, None)
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

    @staticmethod
    def _is_taking(meter: Meter) -> bool:
        return meter.taking is not None and now_ms() - meter.taking_since <= STALE_CALL_MS

    def _client(self, app_id: str) -> BillingClient:
        return BillingClient(self._billing.getByName(app_id))

    def _meter(self, app_id: str) -> Meter:
        if app_id not in self.meters and len(self.meters) >= MAX_METERS:
            idle = [name for name, meter in self.meters.items() if meter.is_idle(now_ms())]
            for name in idle:
                del self.meters[name]
        return self.meters.setdefault(app_id, Meter())
