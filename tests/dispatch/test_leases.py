import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leases import (
    GROWTH,
    MARGIN_MS,
    MARGIN_PART,
    MAX_BLOCK,
    QUIET_MS,
    REFUSAL_MS,
    SLOWEST_PACE_MS,
    STALE_CALL_MS,
    USEFUL_MS,
    Lease,
    Meter,
)

ASKED_AT = 1_000_000
LEASE_MS = 60_000
DEADLINE = ASKED_AT + LEASE_MS - MARGIN_MS


def meter_with(requests: int, *, spent: int = 0, lease: int | None = 7) -> Meter:
    meter = Meter()
    meter.grant(lease, requests, ASKED_AT, LEASE_MS)
    for _ in range(spent):
        assert meter.spend(ASKED_AT)
    return meter


def lease_of(meter: Meter) -> Lease:
    assert meter.lease is not None
    return meter.lease


# Stopping.


def test_a_stopped_app_spends_nothing_and_is_refused_for_a_while() -> None:
    meter = meter_with(5, spent=2)
    meter.stop("missing", ASKED_AT, 60_000)
    assert not meter.spend(ASKED_AT)
    assert (meter.is_refused(ASKED_AT + 59_999), meter.refusal) == (True, "missing")
    assert not meter.is_refused(ASKED_AT + 60_000)


def test_what_was_in_hand_when_an_app_was_stopped_is_due_at_once_and_takes_requests_back() -> None:
    meter = meter_with(5, spent=2)
    meter.stop("missing", ASKED_AT, 60_000)
    assert meter.unspend()
    assert lease_of(meter).used == 1
    assert lease_of(meter).is_owed
    assert lease_of(meter).is_due(ASKED_AT)


# Spending.


def test_nothing_can_be_spent_without_a_lease() -> None:
    assert not Meter().spend(ASKED_AT)


@pytest.mark.parametrize("granted", [0, 1, 5])
def test_a_lease_is_spent_exactly_as_often_as_granted(granted: int) -> None:
    meter = meter_with(granted)
    assert [meter.spend(ASKED_AT) for _ in range(granted + 3)] == [True] * granted + [False] * 3
    assert (lease_of(meter).used, lease_of(meter).left) == (granted, 0)


def test_the_time_of_a_lease_counts_from_the_question_and_ends_a_margin_early() -> None:
    assert lease_of(meter_with(5)).deadline == ASKED_AT + LEASE_MS - MARGIN_MS


def test_a_lease_is_not_spent_from_its_deadline_on() -> None:
    meter = meter_with(5)
    assert meter.spend(DEADLINE - 1)
    assert not meter.spend(DEADLINE)
    assert not meter.spend(DEADLINE + LEASE_MS)
    assert lease_of(meter).used == 1


def test_a_short_lease_ends_a_part_of_its_life_early() -> None:
    meter = Meter()
    meter.grant(7, 5, ASKED_AT, 1_200)
    assert meter.spend(ASKED_AT + 1_099)
    assert not meter.spend(ASKED_AT + 1_100)


def test_the_request_that_asked_is_served_however_short_the_lease_is() -> None:
    meter = Meter()
    meter.grant(None, 1, ASKED_AT, 1)
    meter.spend_first(ASKED_AT + 500)
    assert not lease_of(meter).is_owed
    assert not meter.spend(ASKED_AT + 500)


def test_requests_go_to_the_worker_that_the_lease_names() -> None:
    meter = Meter()
    for worker in ("first", "second"):
        meter.grant(7, 5, ASKED_AT, LEASE_MS, worker)
        assert meter.worker == worker


def test_a_new_lease_takes_the_place_of_the_one_in_hand() -> None:
    meter = meter_with(5, spent=5)
    meter.grant(8, 2, ASKED_AT + 100, LEASE_MS)
    assert [meter.spend(ASKED_AT + 200) for _ in range(3)] == [True, True, False]
    assert lease_of(meter).id == 8


def test_a_lease_is_taken_for_forgotten_before_the_object_forgets_it() -> None:
    lease = lease_of(meter_with(5))
    ends_at = ASKED_AT + LEASE_MS
    assert not lease.is_forgotten(ends_at + 500_000)
    assert lease.is_forgotten(ends_at + 600_000 - MARGIN_MS)


# Returning.


def test_a_returned_request_can_be_spent_again() -> None:
    meter = meter_with(2, spent=2)
    assert meter.unspend()
    assert lease_of(meter).used == 1
    assert [meter.spend(ASKED_AT), meter.spend(ASKED_AT)] == [True, False]


def test_no_more_is_returned_than_was_spent() -> None:
    meter = meter_with(2, spent=1)
    assert [meter.unspend(), meter.unspend()] == [True, False]
    assert lease_of(meter).left == 2


def test_nothing_is_returned_without_a_lease() -> None:
    assert not Meter().unspend()


def test_nothing_is_returned_to_a_lease_that_was_charged_at_once() -> None:
    meter = meter_with(2, spent=1, lease=None)
    assert not meter.unspend()
    assert lease_of(meter).left == 1


def test_nothing_is_returned_to_a_settled_lease() -> None:
    meter = meter_with(2, spent=1)
    lease_of(meter).is_settled = True
    assert not meter.unspend()
    assert lease_of(meter).left == 1


# The size of the next block.


def blocks_at(pace: int, leases: int = 40) -> list[int]:
    """The blocks that an app asks for whose requests come so many milliseconds apart."""
    meter, now, blocks = Meter(), ASKED_AT, []
    while len(blocks) < leases:
        if not meter.spend(now):
            blocks.append(meter.next_block(now))
            meter.grant(len(blocks), blocks[-1], now, LEASE_MS)
            assert meter.spend(now)
        now += pace
    return blocks


def test_the_first_block_is_of_one_request() -> None:
    assert Meter().next_block(ASKED_AT) == 1


@pytest.mark.parametrize(
    ("pace", "requests"),
    [(1, MAX_BLOCK), (55, MAX_BLOCK), (500, 110), (1_000, 55), (5_000, 11), (10_000, 5), (20_000, 2)],
)
def test_blocks_become_what_comes_in_the_life_of_a_lease(pace: int, requests: int) -> None:
    blocks = blocks_at(pace)
    assert blocks[-1] == requests
    assert blocks == sorted(blocks)
    assert all(following <= GROWTH * block for block, following in itertools.pairwise(blocks))


@pytest.mark.parametrize("pace", [28_000, 60_000, 3_600_000])
def test_a_slow_app_takes_one_request_at_a_time(pace: int) -> None:
    assert set(blocks_at(pace)) == {1}


def test_an_app_that_becomes_slow_asks_for_less() -> None:
    meter = meter_with(1_000, spent=10)
    assert meter.next_block(ASKED_AT + USEFUL_MS) == USEFUL_MS // (USEFUL_MS // 10)
    assert meter.next_block(ASKED_AT + 3_600_000) == 1


@pytest.mark.parametrize(("waiting", "asked_for"), [(0, 1), (1, 1), (40, 40), (5_000, MAX_BLOCK)])
def test_for_all_who_wait_the_next_lease_is_enough(waiting: int, asked_for: int) -> None:
    meter = meter_with(1, spent=1)
    meter.waiters = waiting
    meter.count_unserved()
    assert meter.next_block(ASKED_AT + 20) == asked_for


def test_who_was_served_by_the_last_lease_is_not_counted_for_the_next() -> None:
    meter = meter_with(1, spent=1)
    meter.waiters = 39
    meter.grant(8, 50, ASKED_AT + 20, LEASE_MS)
    meter.count_unserved()
    assert (meter.unserved, meter.waiters) == (0, 0)


def test_one_interval_alone_says_little() -> None:
    meter = meter_with(1, spent=1)
    assert meter.next_block(ASKED_AT + 1) == 1
    meter.grant(8, 1, ASKED_AT + 1, LEASE_MS)
    assert meter.pace == SLOWEST_PACE_MS // 2


def test_asking_again_after_a_failed_call_does_not_grow_the_block_again() -> None:
    meter = meter_with(10, spent=10)
    assert [meter.next_block(ASKED_AT + 1) for _ in range(3)] == [10 * GROWTH] * 3


def test_after_a_refusal_a_single_request_is_asked_for() -> None:
    meter = meter_with(16)
    meter.refuse("limit_exceeded", ASKED_AT)
    assert meter.next_block(ASKED_AT) == 1


# Settling.


def test_a_lease_is_due_when_its_app_was_quiet() -> None:
    meter = meter_with(5)
    assert not lease_of(meter).is_due(ASKED_AT + QUIET_MS - 1)
    assert lease_of(meter).is_due(ASKED_AT + QUIET_MS)
    assert meter.spend(ASKED_AT + 1_000)
    assert not lease_of(meter).is_due(ASKED_AT + QUIET_MS)
    assert lease_of(meter).is_due(ASKED_AT + 1_000 + QUIET_MS)


def test_a_lease_that_is_over_is_left_to_the_next_call() -> None:
    meter = meter_with(5)
    assert meter.spend(DEADLINE - 10)
    assert not lease_of(meter).is_due(DEADLINE + 10)


@pytest.mark.parametrize(
    ("lease", "spent", "is_settled", "is_owed"),
    [
        (7, 0, False, True),
        (7, 3, False, True),
        (7, 3, True, False),
        (None, 0, False, True),
        (None, 2, False, True),
        (None, 3, False, False),
        (None, 0, True, False),
    ],
)
def test_the_object_is_owed_what_it_cannot_know(
    lease: int | None, spent: int, is_settled: bool, is_owed: bool
) -> None:
    meter = meter_with(3, spent=spent, lease=lease)
    lease_of(meter).is_settled = is_settled
    assert lease_of(meter).is_owed is is_owed
    assert meter.is_idle(ASKED_AT + SLOWEST_PACE_MS) is not is_owed


def test_the_pace_of_an_app_is_remembered_for_a_while() -> None:
    meter = meter_with(1, spent=1, lease=None)
    assert not meter.is_idle(ASKED_AT + SLOWEST_PACE_MS - 1)
    assert meter.is_idle(ASKED_AT + SLOWEST_PACE_MS)


# Refusals.


def test_a_refusal_is_remembered_for_a_while() -> None:
    meter = meter_with(5)
    meter.refuse("limit_exceeded", ASKED_AT)
    assert meter.refusal == "limit_exceeded"
    assert not meter.spend(ASKED_AT)
    assert meter.is_refused(ASKED_AT + REFUSAL_MS - 1)
    assert not meter.is_idle(ASKED_AT + REFUSAL_MS - 1)
    assert not meter.is_refused(ASKED_AT + REFUSAL_MS)
    assert meter.is_idle(ASKED_AT + REFUSAL_MS)


def test_a_grant_ends_a_refusal() -> None:
    meter = Meter()
    meter.refuse("limit_exceeded", ASKED_AT)
    meter.grant(7, 1, ASKED_AT, LEASE_MS)
    assert not meter.is_refused(ASKED_AT)
    assert meter.spend(ASKED_AT)


def test_a_meter_is_idle_unless_a_lease_is_being_fetched() -> None:
    meter = Meter()
    assert meter.is_idle(ASKED_AT)
    meter.asked_at = ASKED_AT
    assert not meter.is_idle(ASKED_AT + STALE_CALL_MS)
    assert meter.is_idle(ASKED_AT + STALE_CALL_MS + 1)


# Whatever happens, in whatever order.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["spend", "spend", "spend", "unspend", "take", "refuse"]),
        st.integers(0, 12_000),
        st.integers(0, 40_000),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(STEPS, st.booleans())
def test_a_lease_serves_what_it_grants_in_its_time_and_no_more(
    steps: list[tuple[str, int, int]], charged_at_once: bool
) -> None:
    meter, now = Meter(), ASKED_AT
    granted = served = deadline = 0
    for number, (step, pause, milliseconds) in enumerate(steps):
        now += pause
        if step == "take":
            asked_at = now
            granted, served = meter.next_block(now), 0
            deadline = asked_at + milliseconds - min(MARGIN_MS, milliseconds // MARGIN_PART)
            assert 1 <= granted <= MAX_BLOCK
            now += milliseconds % 1_000
            meter.grant(None if charged_at_once else number, granted, asked_at, milliseconds)
        elif step == "refuse":
            meter.refuse("limit_exceeded", now)
            granted = served = 0
        elif step == "spend":
            is_served = meter.spend(now)
            assert is_served is (served < granted and now < deadline)
            served += is_served
        else:
            is_returned = meter.unspend()
            assert is_returned is (served > 0 and not charged_at_once)
            served -= is_returned
        if meter.lease is not None:
            assert meter.lease.used == served <= granted


def test_a_settled_lease_is_not_spent() -> None:
    meter = Meter()
    lease = meter.grant(1, 10, ASKED_AT, LEASE_MS)
    lease.is_settled = True
    assert not meter.spend(ASKED_AT)
    assert not meter.unspend()
