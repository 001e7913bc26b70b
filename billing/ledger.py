"""The books of one app or site: what was paid, what was used, and the leases that dispatch spends from.

Requests are granted in leases. A lease comes off the remaining requests when it is taken and is settled
with the number served; the rest returns. At every moment

    charged + leased + lost <= included + paid for        (asserted at each grant)

so an app is never served more than it may be, whatever dies. A lease that nobody settles expires: the
customer is not charged for it, but as the instance that held it may have served from it before it died,
its requests are *lost*, not granted again. A settlement that arrives late, while the expired lease is
remembered, still counts and returns what was not spent.

The account is kept in memory and written through (`account.py`): taking, renewing or settling a lease is one
statement that writes one row. Where that statement fails, what is stored counts.

A payment counts once under its id (`funds.py`); `usage.py` says what was charged when. Times are milliseconds
since 1970; amounts are cents, nano-USD or requests, always integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from account import HOUR_MS, SELECT, SET_SUSPENSION, UPDATE, UPDATE_SCHEDULE, WHOLE, Account, encoded
from arguments import LedgerError, require_id, require_integer
from database import Database, NotThereError, Value
from funds import Funds, Payment, require_payment, require_reversal
from pricing import Price
from schema import is_older, migrate, stored_version
from usage import Usage

MAX_LEASE_REQUESTS = 1_000
LEASE_FRACTION = 100  # a lease is at most this part of what remains
MAX_LEASES = 256  # more at once, and every request is charged as it comes: the row stays short
LEASE_MS = 60_000
REMEMBER_EXPIRED_MS = 600_000
# No lease reaches beyond a switch to another Worker. Shortly before one each request is charged as it comes.
SHORTEST_LEASE_MS = 1_000
MAX_SCHEDULE = 20
MAX_WORKER_LENGTH = 63
MAX_SUSPENDED = 64
MAX_REASON_LENGTH = 1_000

Refusal = Literal["no_account", "closed", "limit_exceeded"]


@dataclass(frozen=True, slots=True)
class Suspended:
    """No lease is given: the operator has suspended what would serve, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lease:
    """`requests` may be served until `milliseconds` have passed since the lease was asked for.

    `id` is None when it was charged at once and nothing is left to settle. `worker` is the one to call, None
    for the one that is named as the account.
    """

    id: int | None
    requests: int
    milliseconds: int
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class Billing:
    """An account as people see it: cost and balance are those of the requests that were used.

    `requests` are those that were used, which is what was charged, and those that are reserved by leases.
    `remaining_requests` are neither.
    """

    requests: int
    used_requests: int
    reserved_requests: int
    remaining_requests: int
    funding_cents: int
    cost_nano_usd: int
    balance_nano_usd: int
    opened_at: int
    closed_at: int | None


class Ledger:
    """Every method takes the time as `now` and changes all it says or nothing."""

    def __init__(self, database: Database, price: Price) -> None:
        self._database = database
        self._price = price
        self._funds = Funds(database)
        self._usage = Usage(database)
        self._is_read = False
        self._account: Account | None = None

    # Opening and closing.

    def open(self, now: int) -> Literal["opened", "closed"]:
        """Open the account, once; a closed one stays closed, also if it was closed before it was opened."""
        account = self._read()
        if account is None:
            self._create(now, closed_at=None)
            return "opened"
        return "opened" if account.closed_at is None else "closed"

    def close(self, now: int) -> Literal["closed"]:
        """Close the account for good: no more leases; the books stay readable, settlements count.

        One that was never opened is kept as closed: whoever is still about to open it finds it so.
        """
        account = self._read()
        if account is None:
            self._create(now, closed_at=now)
        elif account.closed_at is None:
            account.closed_at = now
            self._write(account)
        return "closed"

    def set_schedule(
        self, now: int, version: int, schedule: list[tuple[int, str]]
    ) -> Literal["set", "closed"]:
        """Have these Workers serve, each from a time on, in that order; open the account if need be.

        Calls may be repeated and come in any order: the newest version counts. Leases that were granted
        before go on with the Worker that they named, for LEASE_MS at most.
        """
        require_integer("version", version, 1, 2**53 - 1)
        require_schedule(schedule)
        account = self._read()
        if account is None:
            self._create(now, None, encoded(schedule), version)
            return "set"
        if account.closed_at is not None:
            return "closed"
        if version > account.schedule_version:
            self._is_read = False  # the row changes
            self._execute(UPDATE_SCHEDULE, encoded(schedule), version)
        return "set"

    def set_suspension(self, version: int, reasons: dict[str, str]) -> None:
        """Have these Workers not serve, each for a reason; WHOLE stands for all of the account.

        Calls may be repeated and come in any order: the newest version counts. An account that isn't open
        yet is suspended when it opens. What was leased before goes on for LEASE_MS at most.
        """
        require_integer("version", version, 1, 2**53 - 1)
        require_reasons(reasons)
        migrate(self._database)
        self._is_read = False
        self._execute(SET_SUSPENSION, version, encoded(reasons))

    def _create(self, now: int, closed_at: int | None, schedule: str = "[]", version: int = 0) -> None:
        migrate(self._database)
        self._execute(
            "INSERT INTO account (id, opened_at, closed_at, hour, schedule, schedule_version) "
            "VALUES (1, ?, ?, ?, ?, ?)",
            *(now, closed_at, now // HOUR_MS, schedule, version),
        )
        self._is_read = False

    # Leases.

    def take_lease(self, now: int, wanted: int) -> Lease | Suspended | Refusal:
        """Lease out at most `wanted` requests.

        Who asks has one request to serve already. So a lease of a single one is charged at once: it has
        no id, and there is nothing to settle.
        """
        require_integer("wanted", wanted, 1, MAX_LEASE_REQUESTS)
        account = self._read()
        if account is None:
            return "no_account"
        lease = self._grant(account, now, wanted)
        if isinstance(lease, Lease):
            self._write(account)
        return lease

    def renew_lease(self, now: int, lease: int, used: int, wanted: int) -> Lease | Suspended | Refusal:
        """Settle one lease and take the next, in one step."""
        require_integer("wanted", wanted, 1, MAX_LEASE_REQUESTS)
        account = self._settled(now, lease, used)
        granted = self._grant(account, now, wanted)
        self._write(account)
        return granted

    def settle_lease(self, now: int, lease: int, used: int) -> None:
        """Charge what was `used` of a lease and return the rest.

        Raises LedgerError for a lease that is unknown: never taken, settled already, or forgotten.
        """
        self._write(self._settled(now, lease, used))

    def _grant(self, account: Account, now: int, wanted: int) -> Lease | Suspended | Refusal:
        """Lease requests out of an account in memory, or say why not."""
        if account.closed_at is not None:
            return "closed"
        account.expire_leases(now, REMEMBER_EXPIRED_MS)
        worker, ends_at = account.serving(now)
        reason = account.suspension_of(worker)
        if reason is not None:
            return Suspended(reason)
        remaining = self._remaining(account)
        if remaining <= 0:
            return "limit_exceeded"
        life = LEASE_MS if ends_at is None else min(LEASE_MS, ends_at - now)
        may_lease = len(account.leases) < MAX_LEASES and life >= SHORTEST_LEASE_MS
        granted = min(wanted, max(1, remaining // LEASE_FRACTION)) if may_lease else 1
        assert 0 < granted <= remaining, "more is granted than is paid for"
        if granted == 1:
            account.charge(now, granted)
            return Lease(None, granted, life, worker)
        return Lease(account.lease_out(granted, now + life), granted, life, worker)

    def _settled(self, now: int, lease: int, used: int) -> Account:
        """The account, in memory, without the lease and with what was used of it charged."""
        require_integer("lease", lease, 1, 2**53 - 1)
        account = self._read()
        running = None if account is None else account.leases.get(lease)
        if account is None or running is None:
            raise LedgerError(f"lease {lease} is unknown: never taken, settled already, or expired long ago")
        require_integer("used", used, 0, running.requests)
        self._is_read = False  # until it is written
        account.end_lease(lease)
        account.charge(now, used)
        return account

    # Charging without leases.

    def increment_requests(self, now: int) -> Literal["granted", "suspended"] | Refusal:
        """Charge one request."""
        lease = self.take_lease(now, 1)
        if isinstance(lease, Suspended):
            return "suspended"
        return "granted" if isinstance(lease, Lease) else lease

    def release_requests(self, count: int) -> None:
        """Take back requests that were charged at once but could not be served.

        It has no id: who gets no answer must not ask again, as that could take back another request.
        """
        require_integer("count", count, 1, MAX_LEASE_REQUESTS)
        account = self._read()
        if account is None or account.requests < count:
            raise LedgerError(f"{count} requests can't be released: they were not charged")
        # In the hour of the last charge, which is the one that is taken back.
        account.requests -= count
        account.hour_requests = max(0, account.hour_requests - count)
        self._write(account)

    # Funds.

    def add_funds(self, now: int, payment: str, amount_cents: int) -> Literal["credited", "no_account"]:
        """Credit a payment, or take one back with a negative amount, once under its id.

        The same id again changes nothing; with another amount it is a LedgerError. A closed account is
        credited, too: the payment was made, and is the operator's to refund.
        """
        require_payment(payment, amount_cents)
        if self._read() is None:
            return "no_account"
        self._is_read = False  # the row's sum changes
        self._funds.add(now, payment, amount_cents)
        return "credited"

    def set_reversal(
        self, now: int, reversal: str, cents: int, version: int
    ) -> Literal["booked", "no_account"]:
        """Have a refund or dispute take back so many cents in all, as of a version of what is known of it.

        Calls may be repeated and come in any order: the newest version counts. A closed account changes, too.
        """
        require_reversal(reversal, cents, version)
        if self._read() is None:
            return "no_account"
        self._is_read = False  # the row's sum changes
        self._funds.set_reversal(now, reversal, cents, version)
        return "booked"

    # Reading.

    def billing(self, now: int) -> Billing | None:
        account = self._read()
        if account is None:
            return None
        account.expire_leases(now, REMEMBER_EXPIRED_MS)
        used = account.requests
        return Billing(
            requests=used + account.leased,
            used_requests=used,
            reserved_requests=account.leased,
            remaining_requests=0 if account.closed_at is not None else max(0, self._remaining(account)),
            funding_cents=account.funding_cents,
            cost_nano_usd=self._price.cost_nano_usd(used),
            balance_nano_usd=self._price.balance_nano_usd(account.funding_cents, used),
            opened_at=account.opened_at,
            closed_at=account.closed_at,
        )

    def payments(self, limit: int = 100) -> list[Payment]:
        """The latest payments and refunds, newest first."""
        require_integer("limit", limit, 1, 1_000)
        if self._read() is None:
            return []
        return self._funds.payments(limit)

    def usage_per_hour(self, now: int, hours: int) -> list[int]:
        """Charged requests in each of the last `hours`, oldest first, the current one last."""
        return self._usage.per_hour(self._read(), now, hours)

    def usage_per_day(self, now: int, days: int) -> list[int]:
        """Charged requests on each of the last `days` (UTC), oldest first, today last."""
        return self._usage.per_day(self._read(), now, days)

    # The tables.

    def _remaining(self, account: Account) -> int:
        allowed = self._price.allowed_requests(account.funding_cents)
        return allowed - account.requests - account.leased - account.lost

    def _read(self) -> Account | None:
        """The account, from storage once; None where it was never opened."""
        if not self._is_read:
            self._account = self._stored()
            self._is_read = True
        return self._account

    def _stored(self) -> Account | None:
        try:
            rows = self._execute(SELECT)
        except NotThereError:  # no tables, or not all of their columns yet
            rows = []
        if not rows or is_older(rows[0][0]):
            if stored_version(self._database) == 0:
                return None
            migrate(self._database)
            rows = self._execute(SELECT)
        return Account.of_row(rows[0][1:]) if rows else None

    def _write(self, account: Account) -> None:
        """Store the account as it is in memory."""
        self._is_read = False  # until it is certain that memory and storage agree
        if account.past_days:
            self._database.transaction(lambda: self._write_with_days(account))
            account.past_days.clear()
        else:
            self._execute(UPDATE, *account.values())
        self._is_read = True

    def _write_with_days(self, account: Account) -> None:
        self._execute(UPDATE, *account.values())
        for past in account.past_days:
            self._usage.add(past)

    def _execute(self, sql: str, *values: Value) -> list[tuple[Value, ...]]:
        return self._database.execute(sql, *values)


def require_reasons(reasons: dict[str, str]) -> None:
    """Raise LedgerError for what can be no suspension."""
    if len(reasons) > MAX_SUSPENDED:
        raise LedgerError(f"at most {MAX_SUSPENDED} Workers can be suspended, not {len(reasons)}")
    for worker, reason in reasons.items():
        if worker != WHOLE:
            require_id("a Worker's name", worker, MAX_WORKER_LENGTH)
        require_id("a reason", reason, MAX_REASON_LENGTH)


def require_schedule(schedule: list[tuple[int, str]]) -> None:
    """Raise LedgerError for what can be no schedule."""
    if not 1 <= len(schedule) <= MAX_SCHEDULE:
        raise LedgerError(f"a schedule has 1 to {MAX_SCHEDULE} Workers; this one has {len(schedule)}")
    for since, worker in schedule:
        require_integer("since", since, 0, 2**53 - 1)
        require_id("a Worker's name", worker, MAX_WORKER_LENGTH)
    if schedule != sorted(schedule, key=lambda planned: planned[0]):
        raise LedgerError("a schedule must be in the order of time")
