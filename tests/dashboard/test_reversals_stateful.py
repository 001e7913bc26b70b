"""Payments and reversals against Stripe itself: whatever is reported when, and whoever dies on the way.

Reports begin, go on step by step, and die at any step. Stripe sends each of its events again until one report
of it has come to its end. When all is quiet and the upkeep has run, the app's funds are what was paid less
what Stripe says is taken back.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from local.stripe.api import ApiError
from local.stripe.objects import Json
from payments.taking_back import LONGEST_PAUSE_MS
from tests.dashboard.shop import APP, Shop
from tests.dashboard.turns import Actor, take_turns

Result = TypeVar("Result")
cents = st.integers(1, 1_000)
which = st.integers(0, 99)


class Reported:
    """An event of Stripe's, and the deliveries of it that are under way."""

    def __init__(self, event: Json) -> None:
        self.event = event
        self.actors: list[Actor] = []


class Payments(RuleBasedStateMachine):
    @initialize(sessions=st.integers(1, 2))
    def start(self, sessions: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.mkdtemp()
        self.shop = self.run(self.open_shop())
        self.events_seen = 0
        self.undelivered: list[Reported] = []
        self.sessions = [self.run(self.shop.begin(cents=1_000)) for _ in range(sessions)]

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self.run(self.quieten())
            self.run(self.compare())
        finally:
            self.loop.close()
            shutil.rmtree(self.folder)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(work)

    async def open_shop(self) -> Shop:
        shop = Shop(Path(self.folder))
        await shop.site.deployed_app(APP)
        take_turns(shop.site)
        return shop

    # What happens at Stripe.

    def hear(self) -> None:
        """Stripe has events to deliver."""
        events = [event for event in self.shop.stripe.objects.all.values() if event["object"] == "event"]
        self.undelivered += [Reported(event) for event in events[self.events_seen :]]
        self.events_seen = len(events)

    def do(self, what: str, **asked: Any) -> None:
        try:
            getattr(self.shop.stripe, f"do_{what}")(**asked)
        except ApiError:  # which Stripe would not do either
            return
        self.hear()

    @rule(number=which, later=st.booleans())
    def pay(self, number: int, later: bool) -> None:
        session = self.sessions[number % len(self.sessions)]
        if session["status"] == "open":
            self.shop.stripe.pay(session, settles_later=later)
        elif session["payment_status"] == "unpaid":
            self.shop.stripe.do_settle(session["id"])
        self.hear()

    @rule(number=which, amount=cents, status=st.sampled_from(["pending", "succeeded"]))
    def refund(self, number: int, amount: int, status: str) -> None:
        if self.paid:
            self.do("refund", session=self.paid[number % len(self.paid)]["id"], cents=amount, status=status)

    @precondition(lambda self: self.all("refund"))
    @rule(number=which, status=st.sampled_from(["succeeded", "failed", "canceled"]))
    def end_refund(self, number: int, status: str) -> None:
        self.do("end_refund", refund=self.one("refund", number), status=status)

    @rule(number=which, amount=cents, is_inquiry=st.booleans())
    def dispute(self, number: int, amount: int, is_inquiry: bool) -> None:
        if self.paid:
            session = self.paid[number % len(self.paid)]["id"]
            self.do("dispute", session=session, cents=amount, is_inquiry=is_inquiry)

    @precondition(lambda self: self.all("dispute"))
    @rule(number=which, amount=cents, change=st.sampled_from(["change", "escalate", "win", "lose"]))
    def change_dispute(self, number: int, amount: int, change: str) -> None:
        dispute = self.one("dispute", number)
        match change:
            case "change":
                self.do("change_dispute", dispute=dispute, cents=amount)
            case "escalate":
                self.do("escalate_dispute", dispute=dispute)
            case "win":
                self.do("close_dispute", dispute=dispute, won=True)
            case "lose":
                returned = min(amount, self.shop.stripe.objects.all[dispute]["amount"]) // 2
                self.do("close_dispute", dispute=dispute, won=False, returned=returned)

    @property
    def paid(self) -> list[Json]:
        return [session for session in self.sessions if session["payment_status"] == "paid"]

    def all(self, kind: str) -> list[Json]:
        return self.shop.stripe.objects.of(kind)

    def one(self, kind: str, number: int) -> str:
        found = self.all(kind)
        return str(found[number % len(found)]["id"])

    # What happens here.

    @precondition(lambda self: self.undelivered)
    @rule(number=which, steps=st.integers(0, 12))
    def deliver(self, number: int, steps: int) -> None:
        reported = self.undelivered[number % len(self.undelivered)]
        reported.actors.append(self.begin(self.shop.deliver(reported.event), steps))
        self.answer(reported)

    @rule(number=which)
    def come_back(self, number: int) -> None:
        """The payer's browser."""
        self.run(self.shop.success(self.sessions[number % len(self.sessions)]))

    @precondition(lambda self: self.under_way)
    @rule(number=which, steps=st.integers(1, 12), dies=st.sampled_from([False, False, True]))
    def go_on(self, number: int, steps: int, dies: bool) -> None:
        reported, actor = self.under_way[number % len(self.under_way)]

        async def work() -> None:
            for _ in range(steps):
                await actor.step()
            if dies:
                await actor.die()

        self.run(work())
        self.answer(reported)

    @rule(down=st.booleans())
    def break_or_mend_billing(self, down: bool) -> None:
        self.shop.site.billing.is_down = down

    @rule(steps=st.integers(0, 40))
    def upkeep(self, steps: int) -> None:
        """By the cron trigger, which may die, too."""

        async def work() -> None:
            actor = Actor(self.shop.upkeep())
            for _ in range(steps):
                await actor.step()
            await actor.die()

        self.run(work())

    @property
    def under_way(self) -> list[tuple[Reported, Actor]]:
        return [(reported, actor) for reported in self.undelivered for actor in reported.actors]

    def begin(self, work: Coroutine[Any, Any, int], steps: int) -> Actor:
        async def start() -> Actor:
            actor = Actor(work)
            await actor.settle()
            for _ in range(steps):
                await actor.step()
            return actor

        return self.run(start())

    def answer(self, reported: Reported) -> None:
        """What has been answered with success Stripe doesn't send again; what else was begun may go on."""
        ended = [actor for actor in reported.actors if actor.is_done]
        reported.actors = [actor for actor in reported.actors if not actor.is_done]
        if any(not actor.task.cancelled() and actor.task.result() == 204 for actor in ended):
            reported.event = {"type": "nothing", "data": {"object": {"id": "nothing"}}}

    # In the end.

    async def quieten(self) -> None:
        self.shop.site.billing.is_down = False
        # What is under way ends last: it may have asked Stripe long ago.
        for reported in sorted(self.undelivered, key=lambda reported: len(reported.actors)):
            for actor in reported.actors:
                await actor.finish()
            self.answer(reported)
            assert await self.shop.deliver(reported.event) == 204
        for _ in range(3):
            self.shop.site.now += LONGEST_PAUSE_MS
            assert await self.shop.upkeep() == []

    async def compare(self) -> None:
        refunds = sum(
            one["amount"] for one in self.all("refund") if one["status"] in ("pending", "succeeded")
        )
        disputes = sum(taken(one) for one in self.all("dispute"))
        assert await self.shop.funding() == 1_000 * len(self.paid) - refunds - disputes
        booked = await self.shop.site.billing.getByName(APP).list_payments()
        credited = [one["id"] for one in booked if one["id"].startswith("cs_")]
        assert sorted(credited) == sorted(session["id"] for session in self.paid)
        rows = await self.shop.site.database.execute(
            "SELECT count(*) AS rows FROM reversals WHERE booked_version < version"
        )
        assert rows == [{"rows": 0}]
        assert (await self.shop.services.sums.totals()).paid_cents == await self.shop.funding()


def taken(dispute: Json) -> int:
    """What has been withdrawn and not reinstated."""
    return -sum(moved["amount"] for moved in dispute["balance_transactions"])


TestPayments = Payments.TestCase
TestPayments.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
