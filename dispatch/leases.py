"""What one dispatch instance may serve: leases from the billing objects, spent from memory.

Times are milliseconds of one clock, passed in. A lease is spent only while it is certainly valid: its
time is counted from before it was asked for, and ends early by a margin.

How much is asked for follows the app's pace. A slow app gets one request at a time, charged at once: nothing
is left to settle. A faster one gets what it will probably need in a lease's life, and returns the rest with
the call that takes the next lease, or when it goes quiet. docs/performance.md has what other rules come to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MAX_BLOCK = 1_000
# Of what a lease is expected to serve, at most so many times the last one.
GROWTH = 8
# Stop this long before the object's clock may end a lease, or this part of its life before, if that is less:
# a lease that ends at a switch of a site's versions can be short.
MARGIN_MS = 5_000
MARGIN_PART = 12
# How long a lease is expected to be of use.
USEFUL_MS = 55_000
# The pace of an app that nothing is known of: one request at a time.
SLOWEST_PACE_MS = 60_000
# An app without requests for this long is quiet: what it didn't use goes back.
QUIET_MS = 22_000
# A call that has not ended after this long never will: its request is gone.
STALE_CALL_MS = 35_000
# The object remembers a lease for ten minutes after its end.
REMEMBERED_MS = 540_000
# Ask again this long after a refusal: soon enough for a top-up, seldom enough to be cheap.
REFUSAL_MS = 500


@dataclass(slots=True)
class Lease:
    """`left` of `granted` requests may be served before `deadline`. No id: charged already."""

    id: int | None
    granted: int
    taken_at: int
    deadline: int
    left: int = field(init=False)
    spent_at: int = field(init=False)
    is_settled: bool = False

    def __post_init__(self) -> None:
        self.left = self.granted
        self.spent_at = self.taken_at

    @property
    def used(self) -> int:
        return self.granted - self.left

    @property
    def is_owed(self) -> bool:
        """Whether the object has to be told what became of the lease."""
        return not self.is_settled and (self.id is not None or self.left > 0)

    def is_due(self, now: int) -> bool:
        """Whether it should be settled, as its app is quiet; else the next request's call does it."""
        return now >= self.spent_at + QUIET_MS

    def is_forgotten(self, now: int) -> bool:
        """Whether the object may not know it any more, and would refuse to settle it."""
        return now >= self.deadline + REMEMBERED_MS


@dataclass(slots=True)
class Meter:
    """The lease of one app or site, its Worker, how fast requests come, and why it was refused one."""

    lease: Lease | None = None
    worker: str = ""
    pace: int = SLOWEST_PACE_MS
    # The call that is fetching the next lease: since when, its promise, what it settles, who waits for it.
    asked_at: int | None = None
    asked: Any = None
    renewed: Lease | None = None
    waiting: Any = None
    # How many wait for it, and for how many of them the one before had nothing left.
    waiters: int = 0
    unserved: int = 0
    refusal: str | None = None
    refused_until: int = 0
    # The operator's, of a suspension.
    reason: str = ""

    def spend(self, now: int) -> bool:
        """Take one request from the lease in hand; False when there is none to take."""
        lease = self.lease
        if lease is None or lease.left <= 0 or now >= lease.deadline or lease.is_settled:
            return False
        lease.left -= 1
        lease.spent_at = now
        return True

    def spend_first(self, now: int) -> None:
        """Take the request that a new lease was asked for, however short its life is."""
        lease = self.lease
        assert lease is not None, "nothing was granted"
        assert lease.used == 0 < lease.left, "a lease begins with the request that asked for it"
        lease.left -= 1
        lease.spent_at = now

    def unspend(self) -> bool:
        """Return one spent request to the lease in hand; False when there is none it could go to."""
        lease = self.lease
        if lease is None or lease.id is None or lease.is_settled or lease.used == 0:
            return False
        lease.left += 1
        return True

    def next_block(self, now: int) -> int:
        """How many requests to ask for: what the app will probably need in the lease's life, or needs now."""
        if self.lease is None:
            return 1
        expected = USEFUL_MS // max(1, self._pace_at(now))
        return max(1, min(max(min(expected, GROWTH * self.lease.granted), self.unserved), MAX_BLOCK))

    def count_unserved(self) -> None:
        """Note how many of those who waited for a call, which has ended, need the next one."""
        left = 0 if self.lease is None else self.lease.left
        self.waiters, self.unserved = 0, max(0, self.waiters - left)

    def _pace_at(self, now: int) -> int:
        """Milliseconds from one request to the next, where the next lease is asked for now."""
        lease = self.lease
        if lease is None:
            return self.pace
        # The request that asks is the first of the next lease.
        pace = max(0, now - lease.taken_at) // max(1, lease.used)
        # One interval alone says little.
        return min(SLOWEST_PACE_MS, (self.pace + pace) // 2 if lease.granted == 1 else pace)

    def grant(
        self, lease: int | None, requests: int, asked_at: int, milliseconds: int, worker: str = ""
    ) -> Lease:
        """Hold a new lease, asked for at `asked_at`, for requests to a Worker."""
        self.refusal, self.pace, self.worker = None, self._pace_at(asked_at), worker
        life = milliseconds - min(MARGIN_MS, milliseconds // MARGIN_PART)
        self.lease = Lease(lease, requests, asked_at, asked_at + life)
        return self.lease

    def refuse(self, refusal: str, now: int, reason: str = "") -> None:
        self.lease, self.refusal, self.reason = None, refusal, reason
        self.refused_until = now + REFUSAL_MS

    def stop(self, reason: str, now: int, milliseconds: int) -> None:
        """Spend nothing for a while. The lease is due, and till then takes back what others unspend."""
        if self.lease is not None:
            self.lease.deadline = min(self.lease.deadline, now)
            self.lease.spent_at = min(self.lease.spent_at, now - QUIET_MS)
        self.refusal, self.refused_until = reason, now + milliseconds

    def is_asking(self, now: int) -> bool:
        """Whether a call for its next lease is under way."""
        return self.asked_at is not None and now - self.asked_at <= STALE_CALL_MS

    def is_refused(self, now: int) -> bool:
        return self.refusal is not None and now < self.refused_until

    def is_idle(self, now: int) -> bool:
        """Whether nothing is lost by forgetting it, but how fast its requests came."""
        lease = self.lease
        return (
            not self.is_asking(now)
            and (lease is None or (not lease.is_owed and now >= lease.spent_at + SLOWEST_PACE_MS))
            and not self.is_refused(now)
        )
