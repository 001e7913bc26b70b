import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leases import (
    BUSY_MS,
    FIRST_BLOCK,
    GROWTH,
    MARGIN_MS,
    MAX_BLOCK,
    QUIET_MS,
    REFUSAL_MS,
    Lease,
    Meter,
)

ASKED_AT = 1_000_000
LEASE_MS = 30_000
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


def test_what_was_in_hand_when_an_app_was_stopped_is_settled_at_once_and_takes_requests_back() -> None:
    meter = meter_with(5, spent=2)
    meter.stop("missing", ASKED_AT, 60_000)
    assert meter.unspend()
    assert lease_of(meter).used == 1
    assert lease_of(meter).is_owed
    assert lease_of(meter).settle_in(ASKED_AT) <= 0


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


def test_a_lease_shorter_than_the_margin_is_never_spent() -> None:
    meter = Meter()
    meter.grant(7, 5, ASKED_AT, MARGIN_MS)
    assert not meter.spend(ASKED_AT)


def test_a_new_lease_takes_the_place_of_the_one_in_hand() -> None:
    meter = meter_with(5, spent=5)
    meter.grant(8, 2, ASKED_AT + 100, LEASE_MS)
    assert [meter.spend(ASKED_AT + 200) for _ in range(3)] == [True, True, False]
    assert lease_of(meter).id == 8


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


def test_the_first_block_is_small() -> None:
    assert Meter().next_block(ASKED_AT) == FIRST_BLOCK


def test_blocks_grow_up_to_the_largest_while_they_go_fast() -> None:
    meter, blocks = Meter(), []
    for number in range(7):
        block = meter.next_block(ASKED_AT)
        blocks.append(block)
        meter.grant(number, block, ASKED_AT, LEASE_MS)
        while meter.spend(ASKED_AT):
            pass
    assert blocks[:3] == [FIRST_BLOCK, FIRST_BLOCK * GROWTH, FIRST_BLOCK * GROWTH**2]
    assert blocks[-2:] == [MAX_BLOCK, MAX_BLOCK]
    assert blocks == sorted(blocks)


@pytest.mark.parametrize(
    ("block", "granted", "used", "after_ms", "following"),
    [
        (16, 16, 16, BUSY_MS - 1, 16 * GROWTH),
        (16, 16, 16, BUSY_MS, 16),
        (16, 16, 15, BUSY_MS - 1, 15),
        (16, 16, 3, BUSY_MS, 3),
        (16, 16, 0, BUSY_MS, FIRST_BLOCK),
        (16, 4, 4, BUSY_MS, 4),
        (16, 40, 30, BUSY_MS, 16),
        (MAX_BLOCK - 1, MAX_BLOCK - 1, MAX_BLOCK - 1, 0, MAX_BLOCK),
    ],
)
def test_the_next_block_follows_what_was_used(
    block: int, granted: int, used: int, after_ms: int, following: int
) -> None:
    meter = meter_with(granted, spent=used)
    meter.block = block
    assert meter.next_block(ASKED_AT + after_ms) == following


def test_the_block_stays_when_there_is_no_lease_to_judge_by() -> None:
    meter = meter_with(16)
    meter.block = 16
    meter.refuse("limit_exceeded", ASKED_AT)
    assert meter.next_block(ASKED_AT) == 16


# Settling.


def test_a_lease_is_settled_when_its_app_was_quiet() -> None:
    meter = meter_with(5)
    assert lease_of(meter).settle_in(ASKED_AT) == QUIET_MS
    assert meter.spend(ASKED_AT + 1_000)
    assert lease_of(meter).settle_in(ASKED_AT + 1_000) == QUIET_MS
    assert lease_of(meter).settle_in(ASKED_AT + 1_000 + QUIET_MS) == 0


def test_a_lease_is_settled_at_its_deadline_however_busy() -> None:
    meter = meter_with(5)
    assert meter.spend(DEADLINE - 10)
    assert lease_of(meter).settle_in(DEADLINE - 10) == 10
    assert lease_of(meter).settle_in(DEADLINE + 1) == -1


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
    assert meter.is_idle(ASKED_AT) is not is_owed


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
    meter.taking = object()
    assert not meter.is_idle(ASKED_AT)


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
            granted, served, deadline = meter.next_block(now), 0, asked_at + milliseconds - MARGIN_MS
            assert FIRST_BLOCK <= granted <= MAX_BLOCK
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


def test_asking_again_after_a_failed_call_does_not_grow_the_block_again() -> None:
    meter = Meter()
    meter.grant(None, 1, ASKED_AT, LEASE_MS)
    assert meter.spend(ASKED_AT)
    assert [meter.next_block(ASKED_AT + 1) for _ in range(3)] == [FIRST_BLOCK * GROWTH] * 3


def test_a_settled_lease_is_not_spent() -> None:
    meter = Meter()
    lease = meter.grant(1, 10, ASKED_AT, LEASE_MS)
    lease.is_settled = True
    assert not meter.spend(ASKED_AT)
    assert not meter.unspend()
