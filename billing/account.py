"""An account: the one row that every request changes, kept in memory and written through.

All that a charge, a lease or a settlement changes is in this row, so that each of them is one statement that
writes one row, atomic by itself. The object is the row's only writer: it reads it once, when it starts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from database import Value

HOUR_MS = 3_600_000
HOURS_PER_DAY = 24

# With the version of the tables, so that one statement tells all.
SELECT = (
    "SELECT (SELECT version FROM schema_version), opened_at, funding_cents, closed_at, requests, leased, "
    "lost, next_lease, hour, hour_requests, day_hours, leases, schedule, schedule_version, "
    "(SELECT reasons FROM suspension) FROM account"
)
# The sum of the bookings is not among them: `funds.py` keeps it. Nor is what seldom changes.
UPDATE = (
    "UPDATE account SET closed_at = ?, requests = ?, leased = ?, lost = ?, next_lease = ?, hour = ?, "
    "hour_requests = ?, day_hours = ?, leases = ? WHERE id = 1"
)
UPDATE_SCHEDULE = "UPDATE account SET schedule = ?, schedule_version = ? WHERE id = 1"
SET_SUSPENSION = (
    "INSERT INTO suspension VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE "
    "SET version = excluded.version, reasons = excluded.reasons WHERE version < excluded.version"
)
# Instead of a Worker's name: the whole account.
WHOLE = ""


@dataclass(slots=True)
class RunningLease:
    """`requests` were granted until `expires_at`; once `is_expired` they count as lost."""

    requests: int
    expires_at: int
    is_expired: bool = False


@dataclass(frozen=True, slots=True)
class PastDay:
    """Charged requests of a day (days since 1970) that is over, and of its hours (0 to 23)."""

    day: int
    requests: int
    hours: str


@dataclass(slots=True)
class Account:
    """`requests` are charged for good, `leased` are in leases that run, `lost` in leases that expired.

    `hour_requests` were charged in the current `hour` (hours since 1970), `day_hours` in the hours before it
    that are not among the past days yet. `past_days` are to be written with the next change.

    `schedule` is of a site: which Worker serves from when on, in that order. An app's is empty.
    `suspended` has the reasons for which Workers, or the whole account, may not serve.
    """

    opened_at: int
    funding_cents: int
    closed_at: int | None
    requests: int
    leased: int
    lost: int
    next_lease: int
    hour: int
    hour_requests: int
    day_hours: str
    leases: dict[int, RunningLease]
    schedule: list[tuple[int, str]]
    schedule_version: int
    suspended: dict[str, str]
    past_days: list[PastDay] = field(default_factory=list)
    _encoded_leases: str | None = None

    @classmethod
    def of_row(cls, row: tuple[Value, ...]) -> Account:
        """From the columns in their order."""
        *values, encoded_leases, schedule, version, reasons = row
        leases = {int(id_): RunningLease(*lease) for id_, lease in json.loads(str(encoded_leases)).items()}
        planned = [(since, worker) for since, worker in json.loads(str(schedule))]
        suspended = {} if reasons is None else json.loads(str(reasons))
        account = cls(*values, leases, planned, version, suspended)  # type: ignore[arg-type, call-arg]
        # What an earlier version of this code leased out, after a rollback, is in its own table: it is over.
        known = sum(lease.requests for lease in leases.values() if not lease.is_expired)
        account.lost += account.leased - known
        account.leased = known
        return account

    def values(self) -> tuple[Value, ...]:
        """What UPDATE writes."""
        if self._encoded_leases is None:
            self._encoded_leases = encoded(
                {
                    id_: [lease.requests, lease.expires_at, lease.is_expired]
                    for id_, lease in self.leases.items()
                }
            )
        return (
            *(self.closed_at, self.requests, self.leased, self.lost, self.next_lease),
            *(self.hour, self.hour_requests, self.day_hours, self._encoded_leases),
        )

    # The schedule.

    def serving(self, now: int) -> tuple[str | None, int | None]:
        """Which Worker serves now, None for the one named as the object; and until when, if that ends."""
        begun = sum(since <= now for since, _ in self.schedule)
        worker = self.schedule[max(begun - 1, 0)][1] if self.schedule else None
        # Where nothing has begun yet the first one serves, as this clock may be behind the dashboard's.
        later = self.schedule[max(begun, 1) :]
        return worker, later[0][0] if later else None

    def suspension_of(self, worker: str | None) -> str | None:
        """Why this Worker may not serve, if so."""
        return self.suspended.get(WHOLE) or self.suspended.get(worker or WHOLE)

    # Leases.

    def lease_out(self, requests: int, expires_at: int) -> int:
        """Note a new lease; return its id."""
        lease, self.next_lease = self.next_lease, self.next_lease + 1
        self.leases[lease] = RunningLease(requests, expires_at)
        self.leased += requests
        self._encoded_leases = None
        return lease

    def end_lease(self, lease: int) -> None:
        """Take back what a lease that is known has granted."""
        ended = self.leases.pop(lease)
        if ended.is_expired:
            self.lost -= ended.requests
        else:
            self.leased -= ended.requests
        self._encoded_leases = None

    def expire_leases(self, now: int, remember_ms: int) -> None:
        """Write off leases that nobody settled in time; forget those that expired long ago."""
        for id_, lease in [*self.leases.items()]:
            if now < lease.expires_at:
                continue
            if not lease.is_expired:
                lease.is_expired = True
                self.leased -= lease.requests
                self.lost += lease.requests
                self._encoded_leases = None
            if now - lease.expires_at >= remember_ms:
                del self.leases[id_]
                self._encoded_leases = None

    # Charges.

    def charge(self, now: int, count: int) -> None:
        """Charge requests in the current hour."""
        hour = now // HOUR_MS
        # A clock that is set back charges the hour that was; what charges nothing begins none.
        if count and hour > self.hour:
            self._begin_hour(hour)
        self.requests += count
        self.hour_requests += count

    def hours(self) -> dict[int, int]:
        """Charged requests by hour since 1970, of the hours that are not among the past days."""
        counts = {int(hour): count for hour, count in json.loads(self.day_hours).items()}
        return counts | {self.hour: self.hour_requests}

    def _begin_hour(self, hour: int) -> None:
        counts = {hour: count for hour, count in self.hours().items() if count}
        today = hour // HOURS_PER_DAY
        for day in sorted({hour // HOURS_PER_DAY for hour in counts} - {today}):
            of_day = {hour % HOURS_PER_DAY: n for hour, n in counts.items() if hour // HOURS_PER_DAY == day}
            self.past_days.append(PastDay(day, sum(of_day.values()), encoded(of_day)))
        self.day_hours = encoded({hour: n for hour, n in counts.items() if hour // HOURS_PER_DAY == today})
        self.hour, self.hour_requests = hour, 0


def encoded(value: dict[int, int] | dict[int, list[int]] | dict[str, str] | list[tuple[int, str]]) -> str:
    return json.dumps(value, separators=(",", ":"))
