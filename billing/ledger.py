"""The books of one app: what was paid, what was used, and the leases that dispatch spends from.

Requests are granted in leases. A lease comes off the remaining requests when it is taken and is settled
with the number served; the rest returns. At every moment

    charged + leased + lost <= included + paid for        (asserted at each grant)

so an app is never served more than it may be, whatever dies. A lease that nobody settles expires: the
customer is not charged for it, but as the instance that held it may have served from it before it died,
its requests are *lost*, not granted again. A settlement that arrives late, while the expired lease is
remembered, still counts and returns what was not spent.

A payment counts once under its id (`funds.py`). Times are milliseconds since 1970; amounts are cents,
nano-USD or requests, always integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from arguments import LedgerError, require_integer
from database import Database, Value
from funds import Funds, Payment, require_payment, require_reversal
from pricing import Price
from schema import migrate, stored_version

MAX_LEASE_REQUESTS = 1_000
LEASE_FRACTION = 100  # a lease is at most this part of what remains
LEASE_MS = 30_000
REMEMBER_EXPIRED_MS = 600_000
HOUR_MS = 3_600_000
HOURS_PER_DAY = 24
KEEP_HOURS = 90 * HOURS_PER_DAY

Refusal = Literal["no_account", "closed", "limit_exceeded"]


@dataclass(frozen=True, slots=True)
class Lease:
    """`requests` may be served until `milliseconds` have passed since the lease was asked for.

    `id` is None when it was charged at once and nothing is left to settle.
    """

    id: int | None
    requests: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Billing:
    """An account as people see it. `requests` counts what is charged and what is leased out."""

    requests: int
    remaining_requests: int
    funding_cents: int
    cost_nano_usd: int
    balance_nano_usd: int
    opened_at: int
    closed_at: int | None


@dataclass(frozen=True, slots=True)
class Account:
    opened_at: int
    closed_at: int | None
    funding_cents: int
    requests: int
    leased: int
    lost: int
    next_lease: int
    hour: int
    hour_requests: int


class Ledger:
    """Every method takes the time as `now` and changes all it says or nothing."""

    def __init__(self, database: Database, price: Price) -> None:
        self._database = database
        self._price = price
        self._funds = Funds(database)
        self._is_opened = stored_version(database) > 0
        if self._is_opened:
            migrate(database)

    # Opening and closing.

    def open(self, now: int) -> Literal["opened", "closed"]:
        """Open the account, once; a closed one stays closed, also if it was closed before it was opened."""
        account = self._account()
        if account is None:
            self._create(now, closed_at=None)
            return "opened"
        return "opened" if account.closed_at is None else "closed"

    def close(self, now: int) -> Literal["closed"]:
        """Close the account for good: no more leases; the books stay readable, settlements count.

        One that was never opened is kept as closed: whoever is still about to open it finds it so.
        """
        if self._account() is None:
            self._create(now, closed_at=now)
        else:
            self._execute("UPDATE account SET closed_at = coalesce(closed_at, ?)", now)
        return "closed"

    def _create(self, now: int, closed_at: int | None) -> None:
        migrate(self._database)
        self._execute(
            "INSERT INTO account (id, opened_at, closed_at, hour) VALUES (1, ?, ?, ?)",
            *(now, closed_at, now // HOUR_MS),
        )
        self._is_opened = True

    # Leases.

    def take_lease(self, now: int, wanted: int) -> Lease | Refusal:
        """Lease out at most `wanted` requests.

        Who asks has one request to serve already. So a lease of a single one is charged at once: it has
        no id, and there is nothing to settle.
        """
        require_integer("wanted", wanted, 1, MAX_LEASE_REQUESTS)
        return self._database.transaction(lambda: self._take(now, wanted))

    def renew_lease(self, now: int, lease: int, used: int, wanted: int) -> Lease | Refusal:
        """Settle one lease and take the next, in one step."""
        require_integer("wanted", wanted, 1, MAX_LEASE_REQUESTS)

        def renew() -> Lease | Refusal:
            self._settle(now, lease, used)
            return self._take(now, wanted)

        return self._database.transaction(renew)

    def settle_lease(self, now: int, lease: int, used: int) -> None:
        """Charge what was `used` of a lease and return the rest.

        Raises LedgerError for a lease that is unknown: never taken, settled already, or forgotten.
        """
        self._database.transaction(lambda: self._settle(now, lease, used))

    def _take(self, now: int, wanted: int) -> Lease | Refusal:
        self._expire(now)
        account = self._account()
        if account is None:
            return "no_account"
        if account.closed_at is not None:
            return "closed"
        remaining = self._remaining(account)
        if remaining <= 0:
            return "limit_exceeded"
        granted = min(wanted, max(1, remaining // LEASE_FRACTION))
        assert 0 < granted <= remaining, "more is granted than is paid for"
        if granted == 1:
            self._charge(now, account, granted)
            return Lease(None, granted, LEASE_MS)
        self._execute("UPDATE account SET leased = leased + ?, next_lease = next_lease + 1", granted)
        self._execute(
            "INSERT INTO lease (id, requests, expires_at) VALUES (?, ?, ?)",
            *(account.next_lease, granted, now + LEASE_MS),
        )
        return Lease(account.next_lease, granted, LEASE_MS)

    def _settle(self, now: int, lease: int, used: int) -> None:
        require_integer("lease", lease, 1, 2**53 - 1)
        account = self._account()
        rows = (
            []
            if account is None
            else self._execute("SELECT requests, expired FROM lease WHERE id = ?", lease)
        )
        if account is None or not rows:
            raise LedgerError(f"lease {lease} is unknown: never taken, settled already, or expired long ago")
        ((granted, expired),) = rows
        assert isinstance(granted, int)
        require_integer("used", used, 0, granted)
        self._execute("DELETE FROM lease WHERE id = ?", lease)
        if expired:
            self._execute("UPDATE account SET lost = lost - ?", granted)
        else:
            self._execute("UPDATE account SET leased = leased - ?", granted)
        self._charge(now, account, used)

    def _expire(self, now: int) -> None:
        """Write off leases that nobody settled in time; forget those that expired long ago."""
        if not self._is_opened:
            return
        ((lost,),) = self._execute(
            "SELECT sum(requests) FROM lease WHERE expires_at <= ? AND NOT expired", now
        )
        if lost is None:
            return
        self._execute("UPDATE lease SET expired = 1 WHERE expires_at <= ? AND NOT expired", now)
        self._execute("UPDATE account SET leased = leased - ?, lost = lost + ?", lost, lost)
        self._execute("DELETE FROM lease WHERE expired AND expires_at <= ?", now - REMEMBER_EXPIRED_MS)

    # Charging without leases.

    def increment_requests(self, now: int) -> Literal["granted"] | Refusal:
        """Charge one request."""
        lease = self.take_lease(now, 1)
        return "granted" if isinstance(lease, Lease) else lease

    def release_requests(self, count: int) -> None:
        """Take back requests that were charged at once but could not be served.

        It has no id: who gets no answer must not ask again, as that could take back another request.
        """
        require_integer("count", count, 1, MAX_LEASE_REQUESTS)
        account = self._account()
        if account is None or account.requests < count:
            raise LedgerError(f"{count} requests can't be released: they were not charged")
        # In the hour of the last charge, which is the one that is taken back.
        self._execute(
            "UPDATE account SET requests = requests - ?, hour_requests = max(0, hour_requests - ?)",
            *(count, count),
        )

    def _charge(self, now: int, account: Account, count: int) -> None:
        """Charge requests in the current hour."""
        hour = max(now // HOUR_MS, account.hour)
        if hour != account.hour:
            self._roll_usage(account, hour)
        self._execute(
            "UPDATE account SET requests = requests + ?, hour_requests = hour_requests + ?", count, count
        )

    # Funds.

    def add_funds(self, now: int, payment: str, amount_cents: int) -> Literal["credited", "no_account"]:
        """Credit a payment, or take one back with a negative amount, once under its id.

        The same id again changes nothing; with another amount it is a LedgerError. A closed account is
        credited, too: the payment was made, and is the operator's to refund.
        """
        require_payment(payment, amount_cents)
        if self._account() is None:
            return "no_account"
        self._funds.add(now, payment, amount_cents)
        return "credited"

    def set_reversal(
        self, now: int, reversal: str, cents: int, version: int
    ) -> Literal["booked", "no_account"]:
        """Have a refund or dispute take back so many cents in all, as of a version of what is known of it.

        Calls may be repeated and come in any order: the newest version counts. A closed account changes, too.
        """
        require_reversal(reversal, cents, version)
        if self._account() is None:
            return "no_account"
        self._funds.set_reversal(now, reversal, cents, version)
        return "booked"

    # Reading.

    def billing(self, now: int) -> Billing | None:
        self._database.transaction(lambda: self._expire(now))
        account = self._account()
        if account is None:
            return None
        requests = account.requests + account.leased
        return Billing(
            requests=requests,
            remaining_requests=0 if account.closed_at is not None else max(0, self._remaining(account)),
            funding_cents=account.funding_cents,
            cost_nano_usd=self._price.cost_nano_usd(requests),
            balance_nano_usd=self._price.balance_nano_usd(account.funding_cents, requests),
            opened_at=account.opened_at,
            closed_at=account.closed_at,
        )

    def payments(self, limit: int = 100) -> list[Payment]:
        """The latest payments and refunds, newest first."""
        require_integer("limit", limit, 1, 1_000)
        if not self._is_opened:
            return []
        return self._funds.payments(limit)

    def usage_per_hour(self, now: int, hours: int) -> list[int]:
        """Charged requests in each of the last `hours`, oldest first, the current one last."""
        require_integer("hours", hours, 1, KEEP_HOURS)
        account = self._account()
        if account is None:
            return [0] * hours
        first = now // HOUR_MS - hours + 1
        counts = self._counts("SELECT hour, requests FROM usage_hour WHERE hour >= ?", first)
        counts[account.hour] = counts.get(account.hour, 0) + account.hour_requests
        return [counts.get(hour, 0) for hour in range(first, first + hours)]

    def usage_per_day(self, now: int, days: int) -> list[int]:
        """Charged requests on each of the last `days` (UTC), oldest first, today last."""
        require_integer("days", days, 1, 3_660)
        account = self._account()
        if account is None:
            return [0] * days
        first = now // HOUR_MS // HOURS_PER_DAY - days + 1
        counts = self._counts("SELECT day, requests FROM usage_day WHERE day >= ?", first)
        today = account.hour // HOURS_PER_DAY
        counts[today] = counts.get(today, 0) + account.hour_requests
        return [counts.get(day, 0) for day in range(first, first + days)]

    def _counts(self, sql: str, first: int) -> dict[int, int]:
        return dict(self._execute(sql, first))  # type: ignore[arg-type]

    # The tables.

    def _roll_usage(self, account: Account, hour: int) -> None:
        """Move the count of the hour that has passed to the tables of usage."""
        add_up = "ON CONFLICT DO UPDATE SET requests = requests + excluded.requests"
        day, count = account.hour // HOURS_PER_DAY, account.hour_requests
        self._execute(f"INSERT INTO usage_hour VALUES (?, ?) {add_up}", account.hour, count)  # noqa: S608
        self._execute(f"INSERT INTO usage_day VALUES (?, ?) {add_up}", day, count)  # noqa: S608
        self._execute("DELETE FROM usage_hour WHERE hour <= ?", hour - KEEP_HOURS)
        self._execute("UPDATE account SET hour = ?, hour_requests = 0", hour)

    def _remaining(self, account: Account) -> int:
        allowed = self._price.allowed_requests(account.funding_cents)
        return allowed - account.requests - account.leased - account.lost

    def _account(self) -> Account | None:
        if not self._is_opened:
            return None
        rows = self._execute(
            "SELECT opened_at, closed_at, funding_cents, requests, leased, lost, next_lease, hour, "
            "hour_requests FROM account"
        )
        return Account(*rows[0]) if rows else None  # type: ignore[arg-type]

    def _execute(self, sql: str, *values: Value) -> list[tuple[Value, ...]]:
        return self._database.execute(sql, *values)
