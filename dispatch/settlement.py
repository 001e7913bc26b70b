"""Settles the leases of one instance when their apps are quiet (runs in the Workers runtime only).

One task does it for all apps, in the background of a request. The runtime ends that 30 s after the request
("Context", `waitUntil`): so the first request some seconds after a task has begun begins the next, and each
request is followed by one that lives until what it left of its lease is due.
"""

from __future__ import annotations

import asyncio

from billing_client import BillingClient
from calls import in_background, now_ms
from exchange import log
from leases import QUIET_MS, Lease

RETRY_SECONDS = (0.5, 2.0)
# How long a task lives, how often it looks, and how many leases it settles at once.
WATCH_MS = 25_000
LOOK_SECONDS = 1.0
AT_ONCE = 50
# So long the next ones wait for an object that is slow.
SLOW_SECONDS = 1.0
NEVER = 2**63


class Settlement:
    """Who spends from a lease at `watch_from` (a time in milliseconds) or later has to call `watch`."""

    def __init__(self, billing: BillingClient) -> None:
        self.watch_from = NEVER
        self._billing = billing
        self._owed: dict[int, tuple[str, Lease]] = {}
        self._watch_number = 0

    def add(self, app_id: str, lease: Lease) -> None:
        """Settle this lease when it is due; called by the request that asked for it.

        That may have been a while ago: its background ends so much sooner, and is no place for leases that
        others have spent from since.
        """
        self._owed[id(lease)] = app_id, lease
        if self.watch_from == NEVER or lease.taken_at >= self.watch_from:
            self.watch(lease.taken_at)

    def take_over(self, lease: Lease) -> None:
        """Leave this lease to the caller, who settles it by renewing it."""
        self._owed.pop(id(lease), None)
        lease.is_settled = True

    def watch(self, now: int) -> None:
        """Begin the task that settles leases from now on, in the background of a request that came now."""
        self.watch_from = now + WATCH_MS - QUIET_MS
        self._watch_number += 1
        in_background(self._settle_what_is_due(self._watch_number, now + WATCH_MS))

    async def _settle_what_is_due(self, number: int, until: int) -> None:
        while self._watch_number == number:
            await asyncio.sleep(LOOK_SECONDS)
            if self._watch_number != number:
                return  # a later request's task goes on
            now = now_ms()
            due = [key for key, (_, lease) in self._owed.items() if lease.is_due(now) or now >= until]
            for first in range(0, len(due), AT_ONCE):
                settling = [in_background(self._settle_owed(key)) for key in due[first : first + AT_ONCE]]
                await asyncio.wait(settling, timeout=SLOW_SECONDS)
            if not self._owed:
                self.watch_from = NEVER
                return

    async def _settle_owed(self, key: int) -> None:
        app_id, lease = self._owed.pop(key, (None, None))
        if app_id is not None and lease is not None and lease.is_owed:
            lease.is_settled = True
            await self.settle(app_id, lease)

    async def settle(self, app_id: str, lease: Lease) -> None:
        """Tell the object what was used of a lease, which nothing is spent from any more."""
        if lease.id is None:
            await self.release(app_id, lease.left)
            return
        for pause in (*RETRY_SECONDS, None):
            try:
                await self._billing.settle(app_id, lease.id, lease.used)
            except Exception as error:  # whatever the runtime raises
                if pause is None:
                    log("settlement_failed", app_id, None, str(error))
                    return
                await asyncio.sleep(pause)
            else:
                return

    async def release(self, app_id: str, count: int) -> None:
        """Have the object take back requests that were charged at once.

        A settlement counts once. A release that got no answer may have counted and is not repeated.
        """
        try:
            await self._billing.release(app_id, count)
        except Exception as error:  # whatever the runtime raises
            log("settlement_failed", app_id, None, str(error))
