"""The ledger against a plain model: whatever runs in whatever order, the promises on billing hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from arguments import LedgerError
from funds import MAX_PAYMENT_CENTS
from ledger import (
    HOUR_MS,
    LEASE_MS,
    MAX_LEASE_REQUESTS,
    REMEMBER_EXPIRED_MS,
    SHORTEST_LEASE_MS,
    Lease,
    Ledger,
    Suspended,
)
from pricing import Price
from tests.billing.sqlite_database import MOST_EXACT, SqliteDatabase

MARGIN_MS = 5_000  # a holder stops this long before its lease ends

wanted_requests = st.one_of(st.integers(1, 5), st.integers(2, MAX_LEASE_REQUESTS))
counts_to_serve = st.one_of(st.integers(0, 5), st.just(MAX_LEASE_REQUESTS))
amounts = st.one_of(st.integers(1, 20), st.integers(1, MAX_PAYMENT_CENTS))
versions = st.integers(1, 9)
clock_steps = st.one_of(
    st.integers(1, LEASE_MS),
    st.sampled_from([LEASE_MS, REMEMBER_EXPIRED_MS]),
    st.integers(1, 4 * HOUR_MS),
    st.integers(-10_000, -1),
)
delays = st.sampled_from([0, LEASE_MS, LEASE_MS + REMEMBER_EXPIRED_MS])


@dataclass(eq=False)
class Held:
    """A lease as its holder sees it."""

    id: int
    requests: int
    ends_at: int
    served: int = 0


class LedgerMachine(RuleBasedStateMachine):
    held = Bundle("held")
    payments = Bundle("payments")

    @initialize(
        included=st.sampled_from([5_000, 200_000, 250, 3, 0]),
        unit_price=st.sampled_from([1, 7_000_000, 10_000_000, 300_000_000]),
        is_opened=st.sampled_from([True, True, True, True, False]),
    )
    def start(self, included: int, unit_price: int, is_opened: bool) -> None:
        self.price = Price(included, unit_price, requests_per_unit=100)
        self.database = SqliteDatabase()
        self.ledger = Ledger(self.database, self.price)
        self.now = self.latest = 490_000 * HOUR_MS
        self.state = "no_account"
        self.paid: dict[str, int] = {}
        self.taken_back: dict[str, tuple[int, int]] = {}  # version and cents of each reversal
        self.schedule_version = 0
        self.schedule: list[tuple[int, str]] = []
        self.suspension_version = 0
        self.suspended: dict[str, str] = {}
        self.most_allowed = 0
        self.served = 0
        self.charged = 0
        self.crashed = 0  # requests that holders had when they died
        self.running: set[Held] = set()
        self.unsettled = 0  # requests in leases that are not settled, whether held or crashed
        if is_opened:
            self.open()

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()

    # The account and the clock.

    @precondition(lambda self: self.state != "opened")
    @rule()
    def open(self) -> None:
        if self.state == "no_account":
            self.state = "opened"
        assert self.ledger.open(self.now) == self.state

    @precondition(lambda self: self.served > 1_000 or self.state == "no_account")
    @rule()
    def close(self) -> None:
        self.state = "closed"
        assert self.ledger.close(self.now) == "closed"

    @rule(step=clock_steps, restarts=st.booleans())
    def let_time_pass(self, step: int, restarts: bool) -> None:
        self.now += step
        self.latest = max(self.latest, self.now)
        if restarts:
            self.ledger = Ledger(self.database, self.price)

    # The schedule of a site.

    @rule(version=versions, since=clock_steps, pauses=st.lists(st.integers(1, 2 * LEASE_MS), max_size=3))
    def plan(self, version: int, since: int, pauses: list[int]) -> None:
        times = [self.now - since, *(self.now - since + sum(pauses[: n + 1]) for n in range(len(pauses)))]
        schedule = [(max(0, time), f"{version}-{number}") for number, time in enumerate(times)]
        answer = self.ledger.set_schedule(self.now, version, schedule)
        assert answer == ("closed" if self.state == "closed" else "set")
        if self.state == "no_account":
            self.state = "opened"
        if answer == "set" and version > self.schedule_version:
            self.schedule_version, self.schedule = version, schedule

    def planned(self) -> tuple[str | None, int | None]:
        """Which Worker serves, and until when, by a plain reading of the newest schedule."""
        begun = [worker for since, worker in self.schedule if since <= self.now]
        coming = [planned for planned in self.schedule if planned[0] > self.now]
        if self.schedule and not begun:
            begun, coming = [coming[0][1]], coming[1:]
        return begun[-1] if begun else None, coming[0][0] if coming else None

    # What the operator has suspended: of the account, or of the schedule's versions 1 and 2.

    @rule(
        version=versions, reasons=st.dictionaries(st.sampled_from(["", "1-0", "2-0", "2-1"]), st.just("why"))
    )
    def suspend(self, version: int, reasons: dict[str, str]) -> None:
        self.ledger.set_suspension(version, reasons)
        if version > self.suspension_version:
            self.suspension_version, self.suspended = version, reasons

    def is_suspended(self) -> bool:
        return "" in self.suspended or self.planned()[0] in self.suspended

    # Leases.

    @rule(target=held, wanted=wanted_requests, count=counts_to_serve)
    def take(self, wanted: int, count: int) -> object:
        return self.receive(self.ledger.take_lease(self.now, wanted), wanted, count)

    @rule(lease=held, count=counts_to_serve)
    def serve(self, lease: Held, count: int) -> None:
        if self.now < lease.ends_at - MARGIN_MS:
            count = min(count, lease.requests - lease.served)
            lease.served += count
            self.served += count

    @rule(lease=consumes(held), delay=delays, looks=st.booleans())
    def settle(self, lease: Held, delay: int, looks: bool) -> None:
        self.let_time_pass(delay, restarts=False)
        if looks:
            self.look()
        try:
            self.ledger.settle_lease(self.now, lease.id, lease.served)
        except LedgerError:
            self.forget(lease)
        else:
            self.settle_in_the_model(lease)
        self.refuses(lambda: self.ledger.settle_lease(self.now, lease.id, 0))

    @rule(target=held, lease=consumes(held), wanted=wanted_requests, count=counts_to_serve)
    def renew(self, lease: Held, wanted: int, count: int) -> object:
        try:
            result = self.ledger.renew_lease(self.now, lease.id, lease.served, wanted)
        except LedgerError:
            self.forget(lease)
            return multiple()
        self.settle_in_the_model(lease)
        return self.receive(result, wanted, count)

    @rule(lease=consumes(held))
    def crash(self, lease: Held) -> None:
        self.running.remove(lease)
        self.crashed += lease.requests

    @rule(lease=held, excess=st.integers(1, 5))
    def settle_with_more_than_was_granted(self, lease: Held, excess: int) -> None:
        self.refuses(lambda: self.ledger.settle_lease(self.now, lease.id, lease.requests + excess))

    @rule()
    def increment(self) -> None:
        answer = self.ledger.increment_requests(self.now)
        if answer == "granted":
            self.charged += 1
            self.served += 1
        else:
            self.expect_refusal(answer)

    def receive(self, result: Lease | Suspended | str, wanted: int, count: int) -> object:
        """Check a grant, or a refusal, and serve so many requests from it."""
        if not isinstance(result, Lease):
            self.expect_refusal(result)
            return multiple()
        left = self.remaining_in_tables()
        assert self.state == "opened"
        assert not self.is_suspended()
        assert left >= 0, "charged + leased + lost must not exceed what is allowed"
        worker, switch_at = self.planned()
        life = LEASE_MS if switch_at is None else min(LEASE_MS, switch_at - self.now)
        assert (result.worker, result.milliseconds) == (worker, life)
        most = max(1, (left + result.requests) // 100) if life >= SHORTEST_LEASE_MS else 1
        assert result.requests == min(wanted, most)
        assert (result.id is None) == (result.requests == 1)
        if result.id is not None:
            lease = Held(result.id, result.requests, self.now + life)
            self.running.add(lease)
            self.unsettled += lease.requests
            self.serve(lease, count)
            return lease
        self.charged += 1
        if count > 1:
            self.served += 1
        elif count == 1:
            self.crashed += 1
        else:
            self.ledger.release_requests(1)
            self.charged -= 1
        return multiple()

    def expect_refusal(self, answer: Suspended | str) -> None:
        if self.state == "opened" and self.is_suspended():
            assert answer in (Suspended("why"), "suspended")
        elif self.state == "opened":
            assert answer == "limit_exceeded"
            assert self.remaining_in_tables() <= 0
        else:
            assert answer == self.state

    def settle_in_the_model(self, lease: Held) -> None:
        self.running.remove(lease)
        self.unsettled -= lease.requests
        self.charged += lease.served

    def forget(self, lease: Held) -> None:
        """The ledger may refuse a settlement only once it may have forgotten the lease."""
        assert self.latest >= lease.ends_at + REMEMBER_EXPIRED_MS
        self.crash(lease)

    # Funds.

    @precondition(lambda self: self.state != "no_account")
    @rule(target=payments, amount=amounts, is_refund=st.sampled_from([False, False, False, True]))
    def pay(self, amount: int, is_refund: bool) -> object:
        payment, amount = f"payment {len(self.paid) + 1}", -amount if is_refund else amount
        assert self.ledger.add_funds(self.now, payment, amount) == "credited"
        self.paid[payment] = amount
        return payment

    @rule(payment=payments, other=amounts)
    def report_a_payment_again(self, payment: str, other: int) -> None:
        before = self.database.tables()
        assert self.ledger.add_funds(self.now, payment, self.paid[payment]) == "credited"
        assert self.database.tables() == before
        if other != self.paid[payment]:
            self.refuses(lambda: self.ledger.add_funds(self.now, payment, other))

    @precondition(lambda self: self.state != "no_account")
    @rule(reversal=st.sampled_from(["re_1", "re_12", "dp_1"]), cents=amounts | st.just(0), version=versions)
    def tell_of_a_reversal(self, reversal: str, cents: int, version: int) -> None:
        known, _ = self.taken_back.get(reversal, (0, 0))
        if version > known:
            self.taken_back[reversal] = (version, cents)
        assert self.ledger.set_reversal(self.now, reversal, cents, version) == "booked"

    @property
    def funding(self) -> int:
        return sum(self.paid.values()) - sum(cents for _, cents in self.taken_back.values())

    def refuses(self, call: Callable[[], object]) -> None:
        before = self.database.tables()
        with pytest.raises(LedgerError):
            call()
        assert self.database.tables() == before

    # What must always hold.

    @rule()
    def look(self) -> None:
        """What people see agrees with the model. A rule, as looking writes off leases that expired."""
        billing = self.ledger.billing(self.now)
        if billing is None:
            assert self.state == "no_account"
            return
        charged, leased, lost = self.counts()
        remaining = self.remaining_in_tables()
        # Leases that have ended are written off in memory first.
        ended = charged + leased - billing.requests
        assert 0 <= ended <= leased
        leased, lost = leased - ended, lost + ended
        assert leased >= sum(one.requests for one in self.running if self.latest < one.ends_at)
        if self.state == "opened" and remaining >= 0:
            allowed = self.price.allowed_requests(self.funding)
            assert billing.requests + billing.remaining_requests + lost == allowed
        else:
            assert billing.remaining_requests == 0
        assert billing.funding_cents == self.funding
        assert (billing.used_requests, billing.reserved_requests) == (charged, leased)
        assert billing.requests == charged + leased
        assert billing.cost_nano_usd == self.price.cost_nano_usd(charged)
        assert billing.balance_nano_usd == self.funding * 10**7 - billing.cost_nano_usd
        assert (billing.closed_at is not None) == (self.state == "closed")
        listed = {payment.id: payment.amount_cents for payment in self.ledger.payments()}
        assert {id_: cents for id_, cents in listed.items() if id_.startswith("payment")} == self.paid

    @invariant()
    def no_more_is_served_than_was_ever_allowed(self) -> None:
        if self.state != "no_account":
            self.most_allowed = max(self.most_allowed, self.price.allowed_requests(self.funding))
        assert self.served <= sum(self.counts())
        assert self.served <= self.most_allowed

    @invariant()
    def what_is_charged_is_what_was_served(self) -> None:
        """But for what crashed holders had; a lease that is still held is not charged yet."""
        charged, leased, lost = self.counts()
        assert charged == self.charged
        assert leased + lost == self.unsettled
        served = self.served - sum(lease.served for lease in self.running)
        assert abs(charged - served) <= self.crashed

    @invariant()
    def each_payment_is_credited_once(self) -> None:
        if self.state != "no_account":
            assert self.database.execute("SELECT funding_cents FROM account") == [(self.funding,)]

    @invariant()
    def the_tables_agree_with_each_other(self) -> None:
        if self.state == "no_account":
            stored = {name for name, rows in self.database.tables().items() if rows}
            assert stored == ({"schema_version", "suspension"} if self.suspension_version else set())
            return
        charged, leased, lost = self.counts()
        [(encoded, hours)] = self.database.execute("SELECT leases, day_hours FROM account")
        leases = json.loads(str(encoded)).values()
        assert sum(requests for requests, _, is_expired in leases if not is_expired) == leased
        assert sum(requests for requests, _, is_expired in leases if is_expired) <= lost
        [(used,)] = self.database.execute(
            "SELECT hour_requests + (SELECT coalesce(sum(requests), 0) FROM usage_day) FROM account"
        )
        assert used + sum(json.loads(str(hours)).values()) == charged

    @invariant()
    def all_that_is_stored_is_exact_in_javascript(self) -> None:
        for rows in self.database.tables().values():
            for row in rows:
                assert all(abs(value) <= MOST_EXACT for value in row if isinstance(value, int))

    def counts(self) -> tuple[int, int, int]:
        """Requests charged, leased and lost."""
        if self.state == "no_account":
            return 0, 0, 0
        [counts] = self.database.execute("SELECT requests, leased, lost FROM account")
        return counts  # type: ignore[return-value]

    def remaining_in_tables(self) -> int:
        return self.price.allowed_requests(self.funding) - sum(self.counts())


TestLedger = pytest.mark.soak(LedgerMachine.TestCase)
TestLedger.settings = settings(stateful_step_count=40)
