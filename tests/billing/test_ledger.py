"""The books of one app, one rule at a time. `test_ledger_stateful.py` runs the rules against each other."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from arguments import LedgerError
from database import Value
from funds import MAX_FUNDING_CENTS, MAX_PAYMENT_CENTS, Payment
from ledger import (
    HOUR_MS,
    LEASE_MS,
    MAX_LEASE_REQUESTS,
    MAX_LEASES,
    REMEMBER_EXPIRED_MS,
    Lease,
    Ledger,
    Suspended,
)
from pricing import Price
from schema import MIGRATIONS, migrate, stored_version
from tests.billing.sqlite_database import Row, SqliteDatabase
from usage import MAX_HOURS

DEFAULT = Price(included_requests=100, unit_price_nano_usd=300_000_000, requests_per_unit=1_000_000)
# Enough for leases of 100 requests without a payment.
PRICE = Price(included_requests=10_000, unit_price_nano_usd=300_000_000, requests_per_unit=1_000_000)

DAY_MS = 24 * HOUR_MS
NOW = 20_000 * DAY_MS
LATER = NOW + HOUR_MS

Call = tuple[Any, ...]  # a method of the ledger and its arguments


@pytest.fixture
def database() -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase()) as database:
        yield database


@pytest.fixture
def ledger(database: SqliteDatabase) -> Ledger:
    ledger = Ledger(database, PRICE)
    ledger.open(NOW)
    return ledger


def run(ledger: Ledger, call: Call) -> object:
    method, *arguments = call
    return getattr(ledger, method)(*arguments)


def take(ledger: Ledger, wanted: int, now: int = NOW) -> Lease:
    lease = ledger.take_lease(now, wanted)
    assert isinstance(lease, Lease)
    return lease


def take_to_settle(ledger: Ledger, wanted: int, now: int = NOW) -> int:
    """Take a lease that isn't charged at once; return its id."""
    lease = take(ledger, wanted, now)
    assert lease.id is not None
    return lease.id


def leases(database: SqliteDatabase) -> dict[int, list[int]]:
    """The leases that are stored: requests, end, whether it has ended."""
    [(encoded,)] = database.execute("SELECT leases FROM account")
    return {int(lease): row for lease, row in json.loads(str(encoded)).items()}


def used(ledger: Ledger, now: int = NOW) -> int:
    billing = ledger.billing(now)
    assert billing is not None
    return billing.requests


def remaining(ledger: Ledger, now: int = NOW) -> int:
    billing = ledger.billing(now)
    assert billing is not None
    return billing.remaining_requests


# An account that was never opened.

ON_NO_ACCOUNT: list[tuple[Call, object]] = [
    (("take_lease", NOW, 5), "no_account"),
    (("increment_requests", NOW), "no_account"),
    (("add_funds", NOW, "payment", 30), "no_account"),
    (("set_reversal", NOW, "re_1", 30, 1), "no_account"),
    (("billing", NOW), None),
    (("payments",), []),
    (("usage_per_hour", NOW, 2), [0, 0]),
    (("usage_per_day", NOW, 2), [0, 0]),
]


@pytest.mark.parametrize(("call", "answer"), ON_NO_ACCOUNT, ids=str)
def test_an_account_that_was_never_opened_stores_nothing(
    database: SqliteDatabase, call: Call, answer: object
) -> None:
    assert run(Ledger(database, PRICE), call) == answer
    assert database.execute("SELECT * FROM sqlite_master") == []


@pytest.mark.parametrize(
    "call",
    [
        ("settle_lease", NOW, 1, 0),
        ("renew_lease", NOW, 1, 0, 5),
        ("release_requests", 1),
    ],
    ids=str,
)
def test_what_was_never_opened_has_nothing_to_settle_or_release(database: SqliteDatabase, call: Call) -> None:
    with pytest.raises(LedgerError):
        run(Ledger(database, PRICE), call)
    assert database.execute("SELECT * FROM sqlite_master") == []


# Opening and closing.


def test_opening_again_changes_nothing(database: SqliteDatabase, ledger: Ledger) -> None:
    ledger.add_funds(NOW, "payment", 30)
    ledger.increment_requests(NOW)
    before = database.tables()
    assert ledger.open(NOW + 1) == "opened"
    assert Ledger(database, PRICE).open(NOW + 1) == "opened"
    assert database.tables() == before


def test_an_open_account_shows_its_books(ledger: Ledger) -> None:
    ledger.add_funds(NOW, "payment", 30)
    billing = ledger.billing(NOW)
    assert billing is not None
    assert billing.requests == 0
    assert billing.remaining_requests == 1_010_000
    assert billing.funding_cents == 30
    assert billing.cost_nano_usd == 0
    assert billing.balance_nano_usd == 300_000_000
    assert (billing.opened_at, billing.closed_at) == (NOW, None)


def test_a_closed_account_grants_nothing_ever_again(ledger: Ledger) -> None:
    assert ledger.close(NOW) == "closed"
    assert ledger.open(NOW) == "closed"
    assert ledger.take_lease(NOW, 1) == "closed"
    assert ledger.increment_requests(NOW) == "closed"
    assert remaining(ledger) == 0


def test_an_account_that_is_closed_before_it_is_opened_stays_closed(database: SqliteDatabase) -> None:
    ledger = Ledger(database, PRICE)
    assert ledger.close(NOW) == "closed"
    for again in (ledger, Ledger(database, PRICE)):
        assert again.open(NOW + 1) == "closed"
        assert again.take_lease(NOW + 2, 1) == "closed"
        # What is paid all the same is booked.
        assert again.add_funds(NOW + 3, "payment", 30) == "credited"
    billing = ledger.billing(NOW + 4)
    assert billing is not None
    assert (billing.funding_cents, billing.remaining_requests) == (30, 0)
    assert (billing.opened_at, billing.closed_at) == (NOW, NOW)


def test_closing_again_keeps_the_first_time(database: SqliteDatabase, ledger: Ledger) -> None:
    ledger.close(NOW + 1)
    before = database.tables()
    assert ledger.close(NOW + 2) == "closed"
    assert database.tables() == before


def test_a_closed_account_keeps_its_books_settles_and_is_credited(ledger: Ledger) -> None:
    ledger.add_funds(NOW, "first", 30)
    lease = take_to_settle(ledger, 50)
    ledger.close(NOW + 1)
    ledger.settle_lease(NOW + 2, lease, 20)
    assert ledger.add_funds(NOW + 3, "second", 12) == "credited"
    billing = ledger.billing(NOW + 4)
    assert billing is not None
    assert (billing.requests, billing.funding_cents, billing.closed_at) == (20, 42, NOW + 1)
    assert [payment.id for payment in ledger.payments()] == ["second", "first"]
    assert ledger.usage_per_hour(NOW, 1) == [20]


def test_closing_renews_no_lease_but_settles_it(ledger: Ledger) -> None:
    lease = take_to_settle(ledger, 50)
    ledger.close(NOW)
    assert ledger.renew_lease(NOW, lease, 20, 50) == "closed"
    assert used(ledger) == 20


# Funds.


def test_a_payment_is_credited_once(database: SqliteDatabase, ledger: Ledger) -> None:
    assert ledger.add_funds(NOW, "payment", 30) == "credited"
    before = database.tables()
    assert ledger.add_funds(NOW + 1, "payment", 30) == "credited"
    assert database.tables() == before
    assert ledger.payments() == [Payment("payment", 30, NOW)]


def test_payments_are_listed_newest_first(ledger: Ledger) -> None:
    for payment, created_at in [("a", NOW), ("b", NOW + 2), ("c", NOW + 1), ("d", NOW + 2)]:
        ledger.add_funds(created_at, payment, 1)
    assert [payment.id for payment in ledger.payments()] == ["d", "b", "c", "a"]
    assert [payment.id for payment in ledger.payments(limit=2)] == ["d", "b"]


def test_a_refund_takes_back_and_stops_service_at_once(ledger: Ledger) -> None:
    ledger.add_funds(NOW, "payment", 30)
    ledger.settle_lease(NOW, take_to_settle(ledger, 500), 500)
    assert ledger.add_funds(NOW, "refund", -31) == "credited"
    assert ledger.take_lease(NOW, 1) == "limit_exceeded"
    billing = ledger.billing(NOW)
    assert billing is not None
    assert (billing.funding_cents, billing.balance_nano_usd) == (-1, -10_000_000)
    assert billing.remaining_requests == 0


def test_a_reversal_takes_back_what_its_newest_version_says(ledger: Ledger) -> None:
    ledger.add_funds(NOW, "payment", 1_000)
    told = [(1_000, 10), (400, 30), (1_000, 20), (400, 30), (0, 40), (400, 30)]
    for (cents, version), funding in zip(told, (0, 600, 600, 600, 1_000, 1_000), strict=True):
        assert ledger.set_reversal(NOW, "dp_1", cents, version) == "booked"
        billing = ledger.billing(NOW)
        assert billing is not None
        assert billing.funding_cents == funding
    # The books are only added to.
    assert ledger.payments() == [
        Payment("dp_1-40", 400, NOW),
        Payment("dp_1-30", 600, NOW),
        Payment("dp_1", -1_000, NOW),
        Payment("payment", 1_000, NOW),
    ]


def test_a_reversal_that_took_nothing_back_is_newer_than_what_comes_late(ledger: Ledger) -> None:
    assert ledger.set_reversal(NOW, "re_1", 0, 2) == "booked"
    assert ledger.set_reversal(NOW, "re_1", 500, 1) == "booked"
    assert ledger.payments() == []


@pytest.mark.parametrize("others", ["re_1", "re_12", "re", "re_1a", "re_1_a"])
def test_reversals_are_told_apart_and_from_what_earlier_versions_booked(ledger: Ledger, others: str) -> None:
    """Those booked a refund that failed as a second payment, and a dispute that was won likewise."""
    for id_, cents in (("re_1", -500), ("re_1-failed", 500), ("dp_1", -1_000), ("dp_1-won", 400)):
        ledger.add_funds(NOW, id_, cents)
    if others != "re_1":
        ledger.set_reversal(NOW, others, 7, 1)
    for id_ in ("re_1", "dp_1"):
        assert ledger.set_reversal(NOW, id_, 0, 1) == "booked"
    billing = ledger.billing(NOW)
    assert billing is not None
    assert billing.funding_cents == (0 if others == "re_1" else -7)


def test_what_was_paid_and_taken_back_is_booked_whatever_else_was(ledger: Ledger) -> None:
    for number in range(3):
        ledger.add_funds(NOW, f"payment {number}", MAX_PAYMENT_CENTS)
        ledger.set_reversal(NOW, f"re_{number}", MAX_PAYMENT_CENTS, 1)
        ledger.set_reversal(NOW, f"dp_{number}", MAX_PAYMENT_CENTS, 1)
    billing = ledger.billing(NOW)
    assert billing is not None
    assert billing.funding_cents == -3 * MAX_PAYMENT_CENTS
    ledger.set_reversal(NOW, "re_0", 0, 2)
    assert ledger.add_funds(NOW, "another", 500) == "credited"


def test_funding_stays_exact_in_javascript(database: SqliteDatabase, ledger: Ledger) -> None:
    rest = MAX_FUNDING_CENTS % MAX_PAYMENT_CENTS
    for number in range(MAX_FUNDING_CENTS // MAX_PAYMENT_CENTS):
        ledger.add_funds(NOW, f"payment {number}", MAX_PAYMENT_CENTS)
    ledger.add_funds(NOW, "rest", rest)
    before = database.tables()
    with pytest.raises(LedgerError):
        ledger.add_funds(NOW, "one more", 1)
    assert database.tables() == before


def test_ten_billion_dollars_are_exact_in_the_books(ledger: Ledger) -> None:
    ledger.add_funds(NOW, "first", 10**12 - 1)
    ledger.add_funds(NOW, "second", 1)
    take(ledger, 1)
    billing = ledger.billing(NOW)
    assert billing is not None
    assert billing.funding_cents == 10**12
    assert billing.balance_nano_usd == 10**19
    assert billing.remaining_requests == 33_333_333_333_333_333 + 10_000 - 1


# Leases.


@pytest.mark.parametrize(
    ("included", "wanted", "granted"),
    [
        (1, 1_000, 1),
        (199, 1_000, 1),
        (200, 1_000, 2),
        (10_000, 7, 7),
        (10_000, 1_000, 100),
        (100_000, 1_000, 1_000),
        (10_000_000, 1_000, 1_000),
    ],
)
def test_a_lease_is_at_most_what_is_wanted_and_a_hundredth_of_what_remains(
    database: SqliteDatabase, included: int, wanted: int, granted: int
) -> None:
    ledger = Ledger(database, Price(included, 1, 1))
    ledger.open(NOW)
    lease = take(ledger, wanted)
    assert (lease.requests, lease.milliseconds) == (granted, LEASE_MS)
    assert remaining(ledger) == included - granted


def test_leases_that_run_at_once_are_told_apart_and_share_what_remains(ledger: Ledger) -> None:
    first, second = take(ledger, MAX_LEASE_REQUESTS), take(ledger, MAX_LEASE_REQUESTS)
    assert first.id != second.id
    assert (first.requests, second.requests) == (100, 99)
    assert used(ledger) == 199


def test_a_lease_of_one_is_charged_at_once(database: SqliteDatabase, ledger: Ledger) -> None:
    assert take(ledger, 1) == Lease(None, 1, LEASE_MS)
    assert database.execute("SELECT requests, leased FROM account") == [(1, 0)]
    assert database.tables()["lease"] == []


def test_settling_charges_what_was_used_and_returns_the_rest(
    database: SqliteDatabase, ledger: Ledger
) -> None:
    ledger.settle_lease(NOW, take_to_settle(ledger, 50), 20)
    assert remaining(ledger) == 10_000 - 20
    assert database.execute("SELECT requests, leased, lost FROM account") == [(20, 0, 0)]


def test_what_is_reserved_costs_nothing_until_it_is_used(ledger: Ledger) -> None:
    assert ledger.add_funds(NOW, "payment", 30) == "credited"
    for _ in range(10_000):
        ledger.increment_requests(NOW)
    lease = take_to_settle(ledger, 1_000)
    before = ledger.billing(NOW)
    assert before is not None
    assert (before.used_requests, before.reserved_requests, before.requests) == (10_000, 1_000, 11_000)
    assert (before.cost_nano_usd, before.balance_nano_usd) == (0, 300_000_000)
    ledger.settle_lease(NOW, lease, 100)
    after = ledger.billing(NOW)
    assert after is not None
    assert (after.used_requests, after.reserved_requests, after.requests) == (10_100, 0, 10_100)
    assert (after.cost_nano_usd, after.balance_nano_usd) == (30_000, 299_970_000)


def test_a_settled_lease_gives_its_id_to_no_other(ledger: Ledger) -> None:
    first = take_to_settle(ledger, 50)
    ledger.settle_lease(NOW, first, 20)
    assert take_to_settle(ledger, 50) > first


def test_an_expired_lease_is_neither_charged_nor_granted_again(ledger: Ledger) -> None:
    take(ledger, 50)
    assert (used(ledger, NOW + LEASE_MS - 1), remaining(ledger, NOW + LEASE_MS - 1)) == (50, 9_950)
    assert (used(ledger, NOW + LEASE_MS), remaining(ledger, NOW + LEASE_MS)) == (0, 9_950)


def test_the_last_request_is_not_granted_again_after_its_lease_expired(database: SqliteDatabase) -> None:
    ledger = Ledger(database, Price(200, 1, 1))
    ledger.open(NOW)
    take_to_settle(ledger, 2)
    later = NOW + LEASE_MS
    assert [ledger.increment_requests(later) for _ in range(199)] == 198 * ["granted"] + ["limit_exceeded"]


@pytest.mark.parametrize("written_off", [False, True])
def test_a_late_settlement_counts(ledger: Ledger, written_off: bool) -> None:
    lease = take_to_settle(ledger, 50)
    late = NOW + LEASE_MS + REMEMBER_EXPIRED_MS - 1
    if written_off:
        assert used(ledger, late) == 0
    ledger.settle_lease(late, lease, 20)
    assert (used(ledger, late), remaining(ledger, late)) == (20, 9_980)


def test_an_expired_lease_is_remembered_then_forgotten(database: SqliteDatabase, ledger: Ledger) -> None:
    lease = take_to_settle(ledger, 50)
    used(ledger, NOW + LEASE_MS)
    forgotten_at = NOW + LEASE_MS + REMEMBER_EXPIRED_MS
    take(ledger, 40, forgotten_at - LEASE_MS - 1)
    assert used(ledger, forgotten_at - 1) == 0
    take(ledger, 2, forgotten_at - 1)
    assert [list(leases(database)), used(ledger, forgotten_at - 1)] == [[lease, lease + 1, lease + 2], 2]
    take(ledger, 30, forgotten_at)
    assert list(leases(database)) == [lease + 1, lease + 2, lease + 3]
    with pytest.raises(LedgerError, match="unknown"):
        ledger.settle_lease(forgotten_at, lease, 20)
    assert remaining(ledger, forgotten_at) == 10_000 - 50 - 40 - 2 - 30


def test_renewing_settles_one_lease_and_takes_the_next(ledger: Ledger) -> None:
    first = take_to_settle(ledger, 50)
    second = ledger.renew_lease(NOW, first, 20, 60)
    assert isinstance(second, Lease)
    assert second.requests == 60
    assert used(ledger) == 20 + 60
    with pytest.raises(LedgerError, match="unknown"):
        ledger.settle_lease(NOW, first, 20)


def test_what_a_renewed_lease_returns_can_be_granted_with_the_next(database: SqliteDatabase) -> None:
    ledger = Ledger(database, Price(200, 1, 1))
    ledger.open(NOW)
    first = take_to_settle(ledger, 2)
    assert ledger.renew_lease(NOW, first, 0, 2) == Lease(first + 1, 2, LEASE_MS)


def test_a_renewal_at_the_limit_still_settles(database: SqliteDatabase, ledger: Ledger) -> None:
    lease = take_to_settle(ledger, 50)
    ledger.add_funds(NOW, "refund", -30)
    assert ledger.renew_lease(NOW, lease, 50, 50) == "limit_exceeded"
    assert database.execute("SELECT requests, leased FROM account") == [(50, 0)]


# Charging without leases.


def test_exactly_the_included_requests_are_granted(database: SqliteDatabase) -> None:
    ledger = Ledger(database, DEFAULT)
    ledger.open(NOW)
    answers = [ledger.increment_requests(NOW) for _ in range(102)]
    assert answers == 100 * ["granted"] + 2 * ["limit_exceeded"]
    assert (used(ledger), remaining(ledger)) == (100, 0)


def test_released_requests_can_be_served_again(database: SqliteDatabase) -> None:
    ledger = Ledger(database, Price(2, 1, 1))
    ledger.open(NOW)
    assert [ledger.increment_requests(NOW) for _ in range(3)] == ["granted", "granted", "limit_exceeded"]
    ledger.release_requests(2)
    assert (used(ledger), remaining(ledger)) == (0, 2)
    assert ledger.usage_per_hour(NOW, 1) == [0]


def test_a_release_is_taken_from_the_hour_of_the_last_charge(ledger: Ledger) -> None:
    lease = take_to_settle(ledger, 50)
    ledger.increment_requests(NOW)
    ledger.settle_lease(LATER, lease, 0)  # which charges nothing
    ledger.release_requests(1)
    assert ledger.usage_per_hour(LATER, 2) == [0, 0]


# Usage.


def test_usage_is_counted_by_the_hour_and_by_the_day(ledger: Ledger) -> None:
    for hour, count in [(0, 3), (1, 2), (23, 4), (24, 1), (49, 5)]:
        for _ in range(count):
            ledger.increment_requests(NOW + hour * HOUR_MS)
    now = NOW + 49 * HOUR_MS
    assert ledger.usage_per_hour(now, 51) == [0, 3, 2, *21 * [0], 4, 1, *24 * [0], 5]
    assert ledger.usage_per_hour(now, 2) == [0, 5]
    assert ledger.usage_per_hour(now + HOUR_MS, 2) == [5, 0]
    assert ledger.usage_per_day(now, 4) == [0, 9, 1, 5]
    assert ledger.usage_per_day(now, 1) == [5]
    assert ledger.usage_per_day(now + DAY_MS, 2) == [5, 0]


def test_a_lease_counts_when_it_is_settled(ledger: Ledger) -> None:
    lease = take_to_settle(ledger, 50)
    assert ledger.usage_per_hour(NOW, 1) == [0]
    ledger.settle_lease(NOW + HOUR_MS, lease, 20)
    assert ledger.usage_per_hour(NOW + HOUR_MS, 2) == [0, 20]


def test_hours_can_be_looked_up_for_ninety_days_and_days_for_ten_years(
    database: SqliteDatabase, ledger: Ledger
) -> None:
    ledger.increment_requests(NOW)
    last = NOW + (MAX_HOURS - 1) * HOUR_MS
    ledger.increment_requests(last)
    again = Ledger(database, PRICE)
    assert again.usage_per_hour(last, MAX_HOURS) == [1, *(MAX_HOURS - 2) * [0], 1]
    again.increment_requests(last + HOUR_MS)
    assert again.usage_per_day(last + HOUR_MS, 91) == [1, *88 * [0], 1, 1]


def test_a_day_that_is_over_is_one_row_and_the_hours_of_today_none(
    database: SqliteDatabase, ledger: Ledger
) -> None:
    for hour in range(24):
        ledger.increment_requests(NOW + hour * HOUR_MS)
    assert database.tables()["usage_day"] == []
    ledger.increment_requests(NOW + DAY_MS)
    [(day, requests, hours)] = database.tables()["usage_day"]
    assert (day, requests, json.loads(str(hours))) == (
        NOW // DAY_MS,
        24,
        {str(hour): 1 for hour in range(24)},
    )


def test_a_clock_that_steps_back_loses_no_counts(ledger: Ledger) -> None:
    later = NOW + 2 * DAY_MS
    for now in (NOW, later, NOW + DAY_MS, NOW, later):
        ledger.increment_requests(now)
    assert ledger.usage_per_day(later, 3) == [1, 0, 4]
    assert ledger.usage_per_hour(later, 49) == [1, *47 * [0], 4]


# Wrong arguments, and failures in the middle.

WRONG: list[Call] = [
    *(("take_lease", NOW, bad) for bad in (0, -1, 1_001, 1.0, True, "1", None)),
    *(("settle_lease", NOW, 1, bad) for bad in (-1, 51, 1.0, True, "1", None)),
    *(("settle_lease", NOW, bad, 1) for bad in (0, 2, 99, 2**53, 1.0, True, "1")),
    *(("renew_lease", NOW, 1, bad, 5) for bad in (-1, 51, 1.0, True, "1")),
    *(("renew_lease", NOW, bad, 1, 5) for bad in (0, 2, 99, 1.0, True, "1")),
    *(("renew_lease", NOW, 1, 1, bad) for bad in (0, -1, 1_001, 1.0, True, "1")),
    *(("release_requests", bad) for bad in (0, -1, 5, 1_001, 1.0, True, "1")),
    *(("add_funds", NOW, bad, 30) for bad in ("", 256 * "x", 1, None)),
    *(("add_funds", NOW, "new", bad) for bad in (0, 1.0, True, "30", None)),
    ("add_funds", NOW, "known", 31),
    ("add_funds", NOW, "known", -30),
    ("add_funds", NOW, "new", MAX_PAYMENT_CENTS + 1),
    ("add_funds", NOW, "new", -MAX_PAYMENT_CENTS - 1),
    *(("set_reversal", NOW, bad, 1, 1) for bad in ("", 256 * "x", 1, None)),
    *(("set_reversal", NOW, "re_1", bad, 1) for bad in (-1, MAX_PAYMENT_CENTS + 1, 1.0, True, "1", None)),
    *(("set_reversal", NOW, "re_1", 1, bad) for bad in (0, 2**53, 1.0, True, "1", None)),
    *(("payments", bad) for bad in (0, 1_001, True)),
    *(("usage_per_hour", NOW, bad) for bad in (0, MAX_HOURS + 1, 1.0)),
    *(("usage_per_day", NOW, bad) for bad in (0, 3_661, 1.0)),
]


@pytest.mark.parametrize("call", WRONG, ids=lambda call: f"{call!s:.60}")
def test_a_wrong_argument_changes_nothing(database: SqliteDatabase, ledger: Ledger, call: Call) -> None:
    """Lease 1 holds 50 requests, lease 2 is settled, 4 requests are charged, "known" paid 30 cents."""
    ledger.add_funds(NOW, "known", 30)
    assert take_to_settle(ledger, 50) == 1
    ledger.settle_lease(NOW, take_to_settle(ledger, 5), 4)
    before = database.tables()
    with pytest.raises(LedgerError):
        run(ledger, call)
    assert database.tables() == before


class DyingDatabase(SqliteDatabase):
    """Raises instead of running the statement after `statements_left`."""

    statements_left = 1_000_000

    def execute(self, sql: str, *values: Value) -> list[Row]:
        self.statements_left -= 1
        if self.statements_left < 0:
            raise InterruptedError
        return super().execute(sql, *values)


def deaths(database: DyingDatabase, call: Callable[[], object]) -> Iterator[None]:
    """Run `call` dying at its first statement, at its second, … until it gets through; yield after each."""
    for statements in range(100):
        database.statements_left = statements
        try:
            call()
            return
        except InterruptedError:
            pass
        finally:
            database.statements_left = DyingDatabase.statements_left
        yield


@pytest.mark.parametrize(
    "call",
    [
        ("close", LATER),
        ("take_lease", LATER, 5),
        ("renew_lease", LATER, 1, 20, 5),
        ("settle_lease", LATER, 1, 20),
        ("increment_requests", LATER),
        ("release_requests", 1),
        ("add_funds", LATER, "payment", 30),
        ("set_reversal", LATER, "re_1", 30, 7),
        ("set_schedule", LATER, 1, [(LATER, "worker")]),
    ],
    ids=str,
)
def test_what_dies_in_the_middle_changes_nothing_and_can_be_repeated(call: Call) -> None:
    """In another hour, and with a second lease to write off and to forget, each call has most to do."""
    with closing(DyingDatabase()) as database:
        ledger = Ledger(database, PRICE)
        ledger.open(NOW)
        ledger.increment_requests(NOW)
        assert take_to_settle(ledger, 50) == 1
        take(ledger, 50)
        before = database.tables()
        for _ in deaths(database, lambda: run(ledger, call)):
            assert database.tables() == before
        assert database.tables() != before


def test_an_opening_that_died_is_finished_by_the_next() -> None:
    with closing(DyingDatabase()) as database:
        for _ in deaths(database, lambda: Ledger(database, PRICE).open(NOW)):
            assert Ledger(database, PRICE).billing(NOW) is None
        assert take(Ledger(database, PRICE), 5).requests == 5


# The schema.


def test_migrating_again_changes_nothing(database: SqliteDatabase, ledger: Ledger) -> None:
    before = database.tables()
    assert stored_version(database) == len(MIGRATIONS)
    migrate(database)
    assert database.tables() == before


def test_an_older_schema_gets_what_it_lacks_and_keeps_its_books(
    database: SqliteDatabase, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.increment_requests(NOW)
    monkeypatch.setattr("schema.MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE added (value INTEGER) STRICT",)))
    assert used(Ledger(database, PRICE)) == 1
    assert stored_version(database) == len(MIGRATIONS) + 1
    assert database.tables()["added"] == []


@pytest.mark.parametrize(
    ("call", "statements"),
    [
        (("take_lease", NOW, 50), 1),
        (("take_lease", NOW, 1), 1),
        (("renew_lease", NOW, 1, 20, 50), 1),
        (("settle_lease", NOW, 1, 20), 1),
        (("release_requests", 1), 1),
        (("take_lease", LATER, 1), 1),
        (("take_lease", NOW + DAY_MS, 1), 2),
    ],
    ids=str,
)
def test_what_a_request_needs_is_one_statement_on_one_row(call: Call, statements: int) -> None:
    """And one more for each day that is over."""
    with closing(CountingDatabase()) as database:
        ledger = Ledger(database, PRICE)
        ledger.open(NOW)
        ledger.increment_requests(NOW)
        take(ledger, 50)
        database.statements, changes = 0, database.connection.total_changes
        run(ledger, call)
        assert (database.statements, database.connection.total_changes - changes) == (statements, statements)


def test_an_object_that_was_stopped_reads_its_row_first(ledger: Ledger) -> None:
    with closing(CountingDatabase()) as database:
        Ledger(database, PRICE).open(NOW)
        database.statements = 0
        take(Ledger(database, PRICE), 1)
        assert database.statements == 2


class CountingDatabase(SqliteDatabase):
    statements = 0

    def execute(self, sql: str, *values: Value) -> list[Row]:
        self.statements += 1
        return super().execute(sql, *values)


def test_more_leases_than_the_row_has_room_for_are_charged_as_they_come(ledger: Ledger) -> None:
    ledger.add_funds(NOW, "payment", 10_000)
    for _ in range(MAX_LEASES):
        assert take(ledger, 2).id is not None
    assert take(ledger, 2) == Lease(None, 1, LEASE_MS)
    ledger.settle_lease(NOW, 1, 0)
    assert take(ledger, 2).id is not None


def test_a_newer_schema_is_left_alone(database: SqliteDatabase, ledger: Ledger) -> None:
    database.execute("UPDATE schema_version SET version = ?", len(MIGRATIONS) + 1)
    before = database.tables()
    migrate(database)
    assert used(Ledger(database, PRICE)) == 0
    assert database.tables() == before


def test_books_outlive_the_object_that_wrote_them(database: SqliteDatabase, ledger: Ledger) -> None:
    lease = take_to_settle(ledger, 50)
    Ledger(database, PRICE).settle_lease(NOW, lease, 20)
    assert used(Ledger(database, PRICE)) == 20


# The schedule of a site.

SITE = [(NOW - 1, "first"), (NOW + 20_000, "second")]


def test_a_lease_says_which_worker_to_call_and_ends_at_the_next_switch(ledger: Ledger) -> None:
    assert ledger.set_schedule(NOW, 1, SITE) == "set"
    for now, worker, milliseconds in (
        (NOW - 5, "first", 20_005),  # a clock that is behind the one that decided
        (NOW, "first", 20_000),
        (NOW + 18_999, "first", 1_001),
        (NOW + 20_000, "second", LEASE_MS),
    ):
        lease = ledger.take_lease(now, 10)
        assert isinstance(lease, Lease)
        assert (lease.worker, lease.requests) == (worker, 10)
        assert lease.milliseconds == min(milliseconds, LEASE_MS)


def test_right_before_a_switch_each_request_is_charged_as_it_comes(ledger: Ledger) -> None:
    ledger.set_schedule(NOW, 1, SITE)
    assert ledger.take_lease(NOW + 19_001, 10) == Lease(None, 1, 999, "first")
    assert ledger.take_lease(NOW + 20_000, 1) == Lease(None, 1, LEASE_MS, "second")


def test_the_newest_schedule_counts_in_whatever_order_they_come(ledger: Ledger) -> None:
    for version, worker in ((5, "five"), (3, "three"), (5, "other"), (9, "nine"), (4, "four")):
        assert ledger.set_schedule(NOW, version, [(NOW, worker)]) == "set"
    assert ledger.take_lease(NOW, 1) == Lease(None, 1, LEASE_MS, "nine")


def test_a_schedule_opens_an_account_and_no_closed_one(database: SqliteDatabase) -> None:
    ledger = Ledger(database, PRICE)
    assert ledger.set_schedule(NOW, 1, SITE) == "set"
    assert ledger.open(NOW) == "opened"
    assert Ledger(database, PRICE).take_lease(NOW + 20_000, 1) == Lease(None, 1, LEASE_MS, "second")
    ledger.close(NOW)
    assert ledger.set_schedule(NOW, 2, SITE) == "closed"


@pytest.mark.parametrize(
    ("version", "schedule"),
    [(0, SITE), (1, []), (1, SITE[::-1]), (1, [(NOW, "")]), (1, [(-1, "x")]), (1, SITE * 20)],
    ids=str,
)
def test_what_can_be_no_schedule_is_refused(
    ledger: Ledger, version: int, schedule: list[tuple[int, str]]
) -> None:
    with pytest.raises(LedgerError):
        ledger.set_schedule(NOW, version, schedule)


# What the operator has suspended.


def test_a_suspended_account_gives_no_lease_charges_nothing_and_goes_on_when_it_is_restored(
    database: SqliteDatabase, ledger: Ledger
) -> None:
    lease = take_to_settle(ledger, 50)
    ledger.set_suspension(1, {"": "Phishing."})
    assert ledger.take_lease(NOW, 5) == Suspended("Phishing.")
    assert ledger.increment_requests(NOW) == "suspended"
    assert used(ledger) == 50  # the lease
    # What was served before still counts.
    assert ledger.renew_lease(NOW, lease, 20, 5) == Suspended("Phishing.")
    assert used(ledger) == 20
    again = Ledger(database, PRICE)
    assert again.take_lease(NOW, 5) == Suspended("Phishing.")
    again.set_suspension(2, {})
    assert isinstance(again.take_lease(NOW, 5), Lease)


def test_an_account_without_balance_is_suspended_before_anything_else(database: SqliteDatabase) -> None:
    ledger = Ledger(database, Price(0, 1, 1))
    ledger.open(NOW)
    ledger.set_suspension(1, {"": "Why"})
    assert ledger.take_lease(NOW, 1) == Suspended("Why")
    assert ledger.add_funds(NOW, "cs_1", 500) == "credited"
    assert ledger.take_lease(NOW, 1) == Suspended("Why")
    ledger.close(NOW)
    assert ledger.take_lease(NOW, 1) == "closed"


def test_a_suspension_opens_no_account_and_holds_when_it_is_opened(database: SqliteDatabase) -> None:
    ledger = Ledger(database, PRICE)
    ledger.set_suspension(3, {"": "Why"})
    assert ledger.take_lease(NOW, 1) == "no_account"
    assert Ledger(database, PRICE).billing(NOW) is None
    assert ledger.open(NOW) == "opened"
    assert ledger.take_lease(NOW, 1) == Suspended("Why")
    ledger.set_suspension(2, {})  # an earlier one that comes late
    assert Ledger(database, PRICE).take_lease(NOW, 1) == Suspended("Why")


def test_of_a_site_only_the_worker_that_is_suspended_does_not_serve(ledger: Ledger) -> None:
    ledger.set_schedule(NOW, 1, SITE)
    ledger.set_suspension(1, {"first": "Why"})
    assert ledger.take_lease(NOW, 10) == Suspended("Why")
    lease = ledger.take_lease(NOW + 20_000, 10)
    assert isinstance(lease, Lease)
    assert lease.worker == "second"


@pytest.mark.parametrize(
    ("version", "reasons"),
    [
        (0, {}),
        (1, {"": ""}),
        (1, {"": "x" * 1_001}),
        (1, {"x" * 64: "y"}),
        (1, {str(n): "y" for n in range(65)}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_can_be_no_suspension_is_refused(ledger: Ledger, version: int, reasons: dict[str, str]) -> None:
    with pytest.raises(LedgerError):
        ledger.set_suspension(version, reasons)
