"""Refunds and disputes: funds follow what Stripe says is taken back, and nothing waits for what fails."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from local.stripe.objects import Json, Objects
from local.stripe.server import Stripe as StandIn
from model.checkout import Dispute, Refund
from payments.taking_back import LONGEST_PAUSE_MS, TakingBack, pause_ms
from tests.dashboard.dashboard_site import OPERATOR
from tests.dashboard.shop import APP, STRIPE, Shop, in_shop
from tests.dashboard.turns import Actor, orders, steps_of, take_turns

DAY_MS = 24 * 3_600_000


async def credited(shop: Shop, cents: int = 500) -> Json:
    session = await shop.paid(cents)
    await shop.success(session)
    return session


def latest(shop: Shop) -> Json:
    """The last event about a refund or a dispute."""
    kinds = ("charge.refund", "refund.", "charge.dispute.")
    return next(event for event in shop.stripe.objects.of("event") if event["type"].startswith(kinds))


async def tell(shop: Shop) -> None:
    assert await shop.deliver(latest(shop)) == 204


def test_a_refund_takes_the_funds_back_once(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop)
        for cents in (200, 300):
            shop.stripe.do_refund(session["id"], cents)
        for event in shop.events("charge.refunded") * 2:
            assert await shop.deliver(event) == 204
        assert await shop.funding() == 0
        page = await shop.site.visitor().get(f"/apps/{APP}")
        assert page.text.count(">refunded</td>") == 3, "the payment, and a row for each refund"
        assert "-$2.00" in page.text
        assert "-$3.00" in page.text

    in_shop(tmp_path, work)


def test_a_refund_that_is_heard_of_before_its_payment_counts_too(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        shop.stripe.do_refund(session["id"], 200)
        await tell(shop)
        assert await shop.funding() == 300
        await shop.success(session)
        assert await shop.funding() == 300

    in_shop(tmp_path, work)


@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_a_refund_that_comes_to_nothing_gives_the_funds_back(tmp_path: Path, end: str) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop)
        refund = shop.stripe.do_refund(session["id"], 500, status="pending")
        await tell(shop)
        assert await shop.funding() == 0
        shop.stripe.do_end_refund(refund["id"], end)
        # Also when the older event comes again, and last.
        for event in (latest(shop), latest(shop), shop.events("charge.refunded")[0]):
            assert await shop.deliver(event) == 204
            assert await shop.funding() == 500
        assert ">refunded</td>" not in (await shop.site.visitor().get(f"/apps/{APP}")).text

    in_shop(tmp_path, work)


@pytest.mark.parametrize(("won", "left"), [(True, 500), (False, 0)])
def test_a_dispute_takes_the_funds_back_until_it_is_won(tmp_path: Path, won: bool, left: int) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop)
        dispute = shop.stripe.do_dispute(session["id"])
        assert await shop.deliver(shop.events("charge.dispute.created")[0]) == 204
        assert await shop.funding() == 0
        shop.stripe.do_close_dispute(dispute["id"], won)
        for event in (*shop.events("charge.dispute.closed"), *shop.events("charge.dispute.created")):
            assert await shop.deliver(event) == 204
        assert await shop.funding() == left

    in_shop(tmp_path, work)


@pytest.mark.parametrize(("cents", "open_left"), [(400, 600), (1_000, 0)])
@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_counts_with_the_amount_that_it_has_now(
    tmp_path: Path, cents: int, open_left: int, won: bool
) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop, 1_000)
        dispute = shop.stripe.do_dispute(session["id"], 700)
        await tell(shop)
        assert await shop.funding() == 300
        shop.stripe.do_change_dispute(dispute["id"], cents)
        await tell(shop)
        assert await shop.funding() == open_left
        shop.stripe.do_close_dispute(dispute["id"], won)
        await tell(shop)
        assert await shop.funding() == (1_000 if won else open_left)

    in_shop(tmp_path, work)


def test_a_dispute_whose_first_amount_was_never_seen_returns_no_more_than_it_took(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop, 1_000)
        dispute = shop.stripe.do_dispute(session["id"])
        await tell(shop)
        shop.stripe.do_change_dispute(dispute["id"], 400)
        shop.stripe.do_close_dispute(dispute["id"], won=True)
        await tell(shop)
        assert await shop.funding() == 1_000

    in_shop(tmp_path, work)


def test_what_comes_back_of_a_dispute_that_is_lost_in_part_is_given_back(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop, 1_000)
        shop.stripe.do_refund(session["id"], 300)
        dispute = shop.stripe.do_dispute(session["id"])
        await tell(shop)
        assert await shop.funding() == -300
        shop.stripe.do_close_dispute(dispute["id"], won=False, returned=300)
        await tell(shop)
        assert await shop.funding() == 0

    in_shop(tmp_path, work)


def test_several_disputes_and_refunds_of_a_payment_count_each(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop, 1_000)
        shop.stripe.do_refund(session["id"], 100)
        first = shop.stripe.do_dispute(session["id"], 200)
        shop.stripe.do_dispute(session["id"], 300)
        await tell(shop)
        assert await shop.funding() == 400
        shop.stripe.do_close_dispute(first["id"], won=True)
        await tell(shop)
        assert await shop.funding() == 600

    in_shop(tmp_path, work)


def test_a_question_of_the_bank_takes_nothing_until_it_becomes_a_dispute(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop)
        inquiry = shop.stripe.do_dispute(session["id"], is_inquiry=True)
        await tell(shop)
        assert await shop.funding() == 500
        shop.stripe.do_escalate_dispute(inquiry["id"])
        await tell(shop)
        assert await shop.funding() == 0
        other = await credited(shop, 700)
        inquiry = shop.stripe.do_dispute(other["id"], is_inquiry=True)
        shop.stripe.do_close_dispute(inquiry["id"], won=False)
        await tell(shop)
        assert await shop.funding() == 700

    in_shop(tmp_path, work)


@pytest.mark.parametrize(
    ("status", "amount", "withdrawn", "reinstated", "taken"),
    [
        ("needs_response", 500, 500, 0, 500),
        ("under_review", 500, 0, 0, 500),  # withdrawn in another currency
        ("appeal_under_review", 500, 500, 0, 500),
        ("warning_under_review", 500, 0, 0, 0),
        ("warning_closed", 500, 0, 0, 0),
        ("won", 500, 500, 0, 0),  # what comes back is on its way
        ("won", 500, 500, 500, 0),
        ("lost", 500, 500, 0, 500),
        ("lost", 500, 500, 200, 300),
        ("lost", 400, 500, 100, 400),
        ("prevented", 500, 0, 0, 0),
        ("prevented", 500, 500, 0, 500),
    ],
)
def test_what_a_dispute_takes_back(
    status: str, amount: int, withdrawn: int, reinstated: int, taken: int
) -> None:
    assert Dispute("dp_1", amount, status, withdrawn, reinstated).taken_cents == taken


def test_all_refunds_of_a_payment_count_however_many(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop, 10_000)
        for _ in range(205):
            shop.stripe.do_refund(session["id"], 10)
        await tell(shop)
        for _ in range(5):
            assert await shop.upkeep() == []
        assert await shop.funding() == 10_000 - 2_050

    in_shop(tmp_path, work)


def test_a_refund_of_a_charge_that_is_not_of_here_changes_nothing(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        event = {"type": "charge.refunded", "data": {"object": {"id": "ch_1", "payment_intent": "pi_1"}}}
        assert await shop.deliver(event) == 204
        assert (await shop.services.sums.totals()).paid_cents == 0

    in_shop(tmp_path, work)


# What can't be booked.


def test_what_could_not_be_booked_is_shown_to_the_operator_and_booked_later(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop)
        refund = shop.stripe.do_refund(session["id"], 500)
        shop.site.billing.is_down = True
        await tell(shop)
        page = (await shop.site.visitor(OPERATOR).get("/operator")).text
        assert "Could not be booked" in page
        assert refund["id"] in page
        assert "the object is down" in page
        assert await shop.upkeep() == [refund["id"], APP]  # what it has used can't be asked either
        shop.site.billing.is_down = False
        shop.site.now += LONGEST_PAUSE_MS
        assert await shop.upkeep() == []
        assert await shop.funding() == 0
        assert refund["id"] not in (await shop.site.visitor(OPERATOR).get("/operator")).text

    in_shop(tmp_path, work)


async def unbookable(shop: Shop, number: int) -> str:
    """A refund that its app's object refuses each time, noted before all others."""
    app = f"broken{number}"
    await shop.site.database.execute(
        "INSERT INTO apps (id, user_id, repository, git_ref, commit_hash, directory, status, failure, "
        "run_ended, created_at, changed_at) "
        "VALUES (?, 1, 'alice/broken', 'main', ?, ?, 'failed', 'It failed.', 1, 1, 1)",
        *(app, "a" * 40, str(number)),
    )
    await shop.site.database.execute(
        "INSERT INTO payments (id, app_id, status, amount_cents, payment_intent, created_at, paid_at) "
        "VALUES (?, ?, 'credited', 1, ?, 1, 1)",
        *(f"cs_test_{app}", app, f"pi_{app}"),
    )
    await shop.site.database.execute(
        "INSERT INTO reversals (id, payment_id, amount_cents, version, created_at) VALUES (?, ?, 1, 1, 1)",
        *(f"re_{app}", f"cs_test_{app}"),
    )
    return f"re_{app}"


def test_one_that_can_not_be_booked_blocks_no_other(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop)
        broken = await unbookable(shop, 1)
        shop.stripe.do_refund(session["id"], 200)
        shop.site.billing.is_down = True
        await tell(shop)
        shop.site.billing.is_down = False
        assert await shop.upkeep() == [broken]
        assert await shop.funding() == 300

    in_shop(tmp_path, work)


def test_however_many_can_not_be_booked_the_others_have_their_turn(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        broken = {await unbookable(shop, number) for number in range(120)}
        session = await credited(shop)
        shop.stripe.do_refund(session["id"], 200)
        shop.site.billing.is_down = True
        await tell(shop)
        shop.site.billing.is_down = False
        tried: list[str] = []
        for _ in range(4):
            tried += await shop.upkeep()
        assert await shop.funding() == 300
        # Nor does one of them wait for ever.
        assert set(tried) == broken

    in_shop(tmp_path, work)


def test_pauses_grow_to_a_day() -> None:
    pauses = [pause_ms(tries) for tries in range(60)]
    assert pauses[:3] == [120_000, 240_000, 480_000]
    assert pauses == sorted(pauses)
    assert pauses[-1] == DAY_MS


def test_refunds_of_payments_that_can_not_be_credited_yet_are_booked_after_them(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        shop.stripe.do_refund(session["id"], 200)
        shop.site.billing.is_down = True
        assert await shop.deliver(latest(shop)) == 503
        page = (await shop.site.visitor(OPERATOR).get("/operator")).text
        assert "Could not be booked" in page
        assert session["payment_intent"] in page
        shop.site.billing.is_down = False
        assert await shop.deliver(latest(shop)) == 204
        assert await shop.upkeep() == []
        assert await shop.funding() == 300

    in_shop(tmp_path, work)


def test_stripe_that_can_not_be_asked_is_asked_again(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop)
        shop.stripe.do_refund(session["id"], 200)
        server = shop.site.servers.pop(STRIPE)
        assert await shop.deliver(latest(shop)) == 503
        assert await shop.upkeep() == [session["payment_intent"]]
        shop.site.servers[STRIPE] = server
        assert await shop.upkeep() == []
        assert await shop.funding() == 300

    in_shop(tmp_path, work)


# Overlaps and deaths.


class Told:
    """What the stand-in would answer, without the way there: so that a test can try thousands of overlaps."""

    def __init__(self, stand_in: StandIn, pause: Any) -> None:
        self._objects: Objects = stand_in.objects
        self._pause = pause

    async def refunds(self, payment_intent: str) -> list[Refund]:
        await self._pause()
        found = self._objects.of("refund", payment_intent=payment_intent)
        return [Refund(one["id"], one["amount"], one["status"]) for one in found]

    async def disputes(self, payment_intent: str) -> list[Dispute]:
        await self._pause()
        found = self._objects.of("dispute", payment_intent=payment_intent)
        return [Dispute(one["id"], one["amount"], one["status"], 0, 0) for one in found]


def overlapping(shop: Shop) -> TakingBack:
    """What follows refunds and disputes, step by step."""
    services = shop.services
    take_turns(shop.site)
    return TakingBack(
        services.payments,
        services.reversals,
        services.fulfilment,
        services.billing,
        lambda: Told(shop.stripe, shop.site.pause),
    )


def test_two_reports_that_overlap_in_any_way_end_with_what_stripe_says(tmp_path: Path) -> None:
    """The refund fails at any moment of the first report; the second report is of that."""

    async def work(shop: Shop) -> None:
        session = await credited(shop)
        taking_back, intent = overlapping(shop), session["payment_intent"]
        charge = shop.stripe.objects.of("charge")[0]
        shop.stripe.objects.refund(charge, 500, "pending")
        steps = await steps_of(taking_back.follow(intent, shop.site.now))
        assert steps >= 8
        for before in range(steps + 1):
            for order in some_orders(steps - before, steps):
                refund = shop.stripe.objects.refund(charge, 500, "pending")
                first = Actor(taking_back.follow(intent, shop.site.now))
                for _ in range(before):
                    await first.step()
                shop.stripe.objects.end_refund(refund, "failed")
                second = Actor(taking_back.follow(intent, shop.site.now))
                for is_second in order:
                    await (second if is_second else first).step()
                for actor in (first, second):
                    await actor.finish()
                    actor.task.result()
                shop.stripe.objects.all.pop(refund["id"])
                # The one from the beginning, which is still pending, and no other.
                assert await shop.funding() == 0, (before, order)

    in_shop(tmp_path, work)


def some_orders(first: int, second: int) -> Iterator[tuple[bool, ...]]:
    """Those in which each goes on at most twice without a break of the other's: all ways to meet."""
    for order in orders(first, second):
        if sum(one != other for one, other in pairwise(order)) <= 3:
            yield order


@pytest.mark.parametrize("end", ["pending", "failed"])
def test_a_report_that_dies_between_two_steps_is_finished_by_the_upkeep(tmp_path: Path, end: str) -> None:
    async def work(shop: Shop) -> None:
        session = await credited(shop, 10_000)
        taking_back, intent = overlapping(shop), session["payment_intent"]
        for lived in range(1, 10):
            refund = shop.stripe.do_refund(session["id"], 100, status="pending")
            report = Actor(taking_back.follow(intent, shop.site.now))
            for _ in range(lived):
                await report.step()
            await report.die()
            if end == "failed":
                shop.stripe.do_end_refund(refund["id"], end)
                # Which is another report, that also dies.
                second = Actor(taking_back.follow(intent, shop.site.now))
                for _ in range(lived + 1):
                    await second.step()
                await second.die()
            assert await shop.upkeep() == []
            left = 10_000 - 100 * lived if end == "pending" else 10_000
            if lived == 1:  # nothing was noted yet: Stripe sends it again
                await taking_back.follow(intent, shop.site.now)
            assert await shop.funding() == left, lived

    in_shop(tmp_path, work)
