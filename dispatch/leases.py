"""What one dispatch instance may serve: leases from the billing objects, spent from memory.

Times are milliseconds of one clock, passed in. A lease is spent only while it is certainly valid: its
time is counted from before it was asked for, and ends early by a margin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FIRST_BLOCK = 1
MAX_BLOCK = 1_000
GROWTH = 4
# A block that is used up faster than this was too small.
BUSY_MS = 10_000
# An app without requests for this long is quiet: what it didn't use goes back.
QUIET_MS = 5_000
# Stop this long before the object's clock may end a lease.
MARGIN_MS = 5_000
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
    is_judged: bool = False

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

    def settle_in(self, now: int) -> int:
        """Milliseconds until the lease should be settled, as the app is quiet or the time is up."""
        return min(self.spent_at + QUIET_MS, self.deadline) - now


@dataclass(slots=True)
class Meter:
    """The lease of one app, how large the next should be, and the call that is fetching it."""

    lease: Lease | None = None
    block: int = FIRST_BLOCK
    taking: Any = None
    taking_since: int = 0
    refusal: str | None = None
    refused_until: int = 0

    def spend(self, now: int) -> bool:
        """Take one request from the lease in hand; False when there is none to take."""
        lease = self.lease
        if lease is None or lease.left <= 0 or now >= lease.deadline or lease.is_settled:
            return False
        lease.left -= 1
        lease.spent_at = now
        return True

    def unspend(self) -> bool:
        """Return one spent request to the lease in hand; False when there is none it could go to."""
        lease = self.lease
        if lease is None or lease.id is None or lease.is_settled or lease.used == 0:
            return False
        lease.left += 1
        return True

    def next_block(self, now: int) -> int:
        """How many requests to ask for: more after a block that went fast, less after one that didn't."""
        lease = self.lease
        if lease is not None and not lease.is_judged:
            lease.is_judged = True
            if lease.left == 0 and now - lease.taken_at < BUSY_MS:
                self.block = min(MAX_BLOCK, self.block * GROWTH)
            else:
                self.block = max(FIRST_BLOCK, min(self.block, lease.used))
        return self.block

    def grant(self, lease: int | None, requests: int, asked_at: int, milliseconds: int) -> Lease:
        """Hold a new lease, asked for at `asked_at`."""
        self.refusal = None
        self.lease = Lease(lease, requests, asked_at, asked_at + milliseconds - MARGIN_MS)
        return self.lease

    def refuse(self, reason: str, now: int) -> None:
        self.lease = None
        self.refusal = reason
        self.refused_until = now + REFUSAL_MS

    def stop(self, reason: str, now: int, milliseconds: int) -> None:
        """Spend nothing for a while. The lease stays, to be settled, and takes back what others unspend."""
        if self.lease is not None:
            self.lease.deadline = min(self.lease.deadline, now)
        self.refusal, self.refused_until = reason, now + milliseconds

    def is_refused(self, now: int) -> bool:
        return self.refusal is not None and now < self.refused_until

    def is_idle(self, now: int) -> bool:
        """Whether nothing is lost by forgetting it."""
        return (
            self.taking is None
            and (self.lease is None or not self.lease.is_owed)
            and not self.is_refused(now)
        )
