"""Sites against a plain model: whatever is deployed, switched, withdrawn and noticed when, and whoever dies.

All that is asked for goes on step by step, meets others at any step, and dies at any. At every moment the
history only grows and keeps what was promised to who read it; when all is quiet and the upkeep has run, the
site's object serves what a plain reading of the history says, now and at every time to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hosting.following import LOOK_MS, PAUSE_MS
from hosting.site_making import new_site
from ledger import LEASE_MS, Lease
from model.app import Source
from model.batch import OnFailure
from model.site import NOTICES, WITHDRAW_MS, Event, SiteError
from store.deploys import ForSite
from store.sums import APPS, summed
from tests.dashboard.dashboard_site import ALICE, GITHUB, UNLIMITED, Site
from tests.dashboard.one_branch import Branch, github
from tests.dashboard.test_sums import assert_right
from tests.dashboard.turns import Actor, take_turns

Result = TypeVar("Result")
NAME = "example"
HOUR_MS = 3_600_000
which = st.integers(0, 99)
TO_THE_END = 99
# Most of what is asked for is done; the rest stops at any step.
steps = st.one_of(st.just(TO_THE_END), st.just(TO_THE_END), st.integers(0, 12))
mostly = st.sampled_from([True, True, False])
notices = st.sampled_from(sorted(NOTICES.values()))


class Sites(RuleBasedStateMachine):
    @initialize(notice=notices, follows=mostly)
    def start(self, notice: int, follows: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.branch = Branch()
        self.site = Site({GITHUB: github(self.branch)})
        self.hosting = self.site.services.site_hosting
        self.seen: list[Event] = []
        self.actors: list[Actor] = []
        self.deploys = 0
        self.run(self.open(notice, follows))

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self.run(self.quieten())
            self.compare()
        finally:
            self.loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(work)

    async def open(self, notice: int, follows: bool) -> None:
        await self.site.log_in(ALICE)
        source = Source("alice/hello", "main", "0" * 40, "")
        made = new_site(NAME, ALICE, source, "main", notice, self.site.now)
        assert await self.hosting.sites.create(made, 1)
        assert not await self.hosting.sites.create(made, 1)
        await self.hosting.sites.set_follows(NAME, follows)
        take_turns(self.site)

    @property
    def apps(self) -> list[str]:
        rows = self.site.database.connection.execute("SELECT id FROM apps ORDER BY rowid")
        return [app_id for app_id, *_ in rows]

    # What people and GitHub do; each takes so many steps now, and the others later or never.

    def begin(self, work: Coroutine[Any, Any, Any], now: int) -> None:
        async def start() -> None:
            actor = Actor(work)
            await actor.settle()
            for _ in range(now):
                await actor.step()
            self.actors.append(actor)

        self.run(start())
        self.end_actors()

    def end_actors(self) -> None:
        for actor in [actor for actor in self.actors if actor.is_done]:
            self.actors.remove(actor)
            if not actor.task.cancelled():
                error = actor.task.exception()
                assert error is None or isinstance(error, SiteError), error

    @rule(asked_by_push=st.booleans(), begins=steps, is_told=mostly, now=steps)
    def deploy(self, asked_by_push: bool, begins: int, is_told: bool, now: int) -> None:
        """A new version, most of which are deployed at once."""
        self.begin_deploy(asked_by_push, begins)
        if is_told:
            self.end_deploy(True, True, now)

    def begin_deploy(self, asked_by_push: bool, now: int) -> None:
        number, self.deploys = self.deploys, self.deploys + 1
        app_id = "bcdf" + "".join("ghjkmnpq"[int(digit)] for digit in f"{number:08o}")
        source = Source("alice/hello", "main", f"{number:040x}", "")
        asker = None if asked_by_push else ALICE
        deploys = self.site.services.deploys
        self.begin(deploys.begin(app_id, ALICE, source, self.site.now, UNLIMITED, ForSite(NAME, asker)), now)

    @rule(succeeds=mostly, is_told=st.booleans(), now=steps)
    def end_deploy(self, succeeds: bool, is_told: bool, now: int) -> None:
        waiting = self.run(self.hosting.versions.on_its_way(NAME))
        if waiting is None:
            return
        outcome = "'deployed', deployed_at = 1" if succeeds else "'failed', failure = 'It failed.'"
        ended = (
            f"UPDATE apps SET status = {outcome}, run_ended = 1 WHERE id = ? AND run_ended = 0 "
            "AND status <> 'deleted'"
        )
        one = (waiting.app_id,)
        self.run(self.site.database.batch(*summed(APPS, "id = ?1", one, (ended, one))))
        if is_told:
            app = self.run(self.site.app(waiting.app_id))
            self.begin(self.site.services.following.follow_app(app, self.site.now), now)

    @rule(is_told=mostly, now=steps)
    def push(self, is_told: bool, now: int) -> None:
        """A new commit on the branch, which GitHub tells of at once or never."""
        self.branch.pushes += 1
        if is_told:
            self.begin(self.site.services.following.hear(NAME, self.site.now), now)

    @rule(follows=mostly)
    def follow(self, follows: bool) -> None:
        self.run(self.hosting.sites.set_follows(NAME, follows))

    @rule(number=which, now=steps)
    def switch(self, number: int, now: int) -> None:
        if self.apps:
            app_id = self.apps[number % len(self.apps)]
            self.begin(self.hosting.switch(NAME, app_id, ALICE, self.site.now), now)

    @rule(
        first=st.sampled_from(["go_back", "switch", "notice"]),
        number=which,
        notice=notices,
        order=st.integers(0, 2**24 - 1),
        ahead=st.sampled_from([0, 0, 7]),
    )
    def two_at_once(self, first: str, number: int, notice: int, order: int, ahead: int) -> None:
        """Step by step, in some order, the clock of one ahead of the other's."""
        asked = {
            "go_back": lambda: self.hosting.go_back(NAME, ALICE, self.site.now),
            "switch": lambda: self.hosting.switch(
                NAME, self.apps[number % len(self.apps)], ALICE, self.site.now
            ),
            "notice": lambda: self.hosting.change_notice(NAME, notice, ALICE, self.site.now),
        }
        if not self.apps:
            return
        self.begin(asked[first](), 0)
        self.begin(self.hosting.go_back(NAME, ALICE, self.site.now + ahead), 0)
        pair = self.actors[-2:]

        async def work() -> None:
            for turn in range(24):
                await pair[(order >> turn) & 1 if len(pair) > 1 else 0].step()

        if pair:
            self.run(work())
        self.end_actors()

    @rule(now=steps)
    def go_back(self, now: int) -> None:
        self.begin(self.hosting.go_back(NAME, ALICE, self.site.now), now)

    @rule(number=which, now=steps)
    def withdraw(self, number: int, now: int) -> None:
        announced = [event for event in self.seen if event.serves_from is not None]
        if announced:
            at = announced[-1 - number % len(announced)].at
            self.begin(self.hosting.withdraw(NAME, at, ALICE, self.site.now), now)

    @rule(notice=notices, now=steps)
    def change_notice(self, notice: int, now: int) -> None:
        self.begin(self.hosting.change_notice(NAME, notice, ALICE, self.site.now), now)

    @rule(number=which)
    def delete_app(self, number: int) -> None:
        if self.apps:
            app_id = self.apps[number % len(self.apps)]
            self.begin(self.site.services.apps.mark_deleted(app_id, self.site.now), 1)

    @rule(number=which, now=steps)
    def delete(self, number: int, now: int) -> None:
        if number >= 90:  # most live on
            self.begin(self.hosting.delete(NAME, ALICE, self.site.now), now)

    @rule(number=which, now=st.integers(1, 12), dies=st.sampled_from([False, False, True]))
    def go_on(self, number: int, now: int, dies: bool) -> None:
        if not self.actors:
            return
        actor = self.actors[number % len(self.actors)]

        async def work() -> None:
            for _ in range(now):
                await actor.step()
            if dies:
                await actor.die()

        self.run(work())
        self.end_actors()

    @rule(milliseconds=st.one_of(st.integers(-5_000, 120_000), st.integers(0, 8 * 24 * HOUR_MS)))
    def clock(self, milliseconds: int) -> None:
        self.site.now += milliseconds

    @rule(number=which, milliseconds=st.sampled_from([-WITHDRAW_MS, -WITHDRAW_MS + 1, -1, 0, 1]))
    def clock_near_a_switch(self, number: int, milliseconds: int) -> None:
        coming = [event.serves_from for event in self.seen if (event.serves_from or 0) > self.site.now]
        if coming:
            self.site.now = (coming[number % len(coming)] or 0) + milliseconds

    @rule(down=st.booleans())
    def break_or_mend_billing(self, down: bool) -> None:
        self.site.billing.is_down = down

    @rule(now=st.integers(0, 30))
    def upkeep(self, now: int) -> None:
        self.begin(self.keep_up(), now)

    async def keep_up(self, on_failure: OnFailure = lambda *_: None) -> None:
        """What the cron trigger does for sites."""
        await self.site.services.upkeep._finish_sites(self.site.now, on_failure)
        await self.site.services.upkeep._follow_branches(self.site.now, on_failure)

    # What holds at every moment.

    def events(self) -> list[Event]:
        return self.run(self.hosting.sites.events(NAME, 10**15, 10_000))[::-1]

    @invariant()
    def the_history_only_grows_and_keeps_its_promises(self) -> None:
        if not hasattr(self, "loop"):
            return
        events = self.events()
        assert events[: len(self.seen)] == self.seen
        for event in events[len(self.seen) :]:
            require_promised(event, [other for other in events if other.at < event.at])
        assert [event.at for event in events] == sorted({event.at for event in events})
        self.seen = events

    @invariant()
    def the_object_serves_nothing_before_its_time(self) -> None:
        if not hasattr(self, "loop"):
            return
        lease = self.site.billing.getByName(NAME)._ledger.take_lease(self.site.now, 2)
        if not isinstance(lease, Lease):
            return
        begun = {event.app_id for event in self.seen if (event.serves_from or self.site.now) <= self.latest}
        assert lease.worker in begun
        assert 0 < lease.milliseconds <= LEASE_MS

    @property
    def latest(self) -> int:
        """What the clock may have shown: an event can be as late as the latest before it, and more."""
        return max(self.site.now, self.seen[-1].at)

    # In the end.

    async def quieten(self) -> None:
        self.site.billing.is_down = False
        for actor in self.actors:
            await actor.finish()
        self.end_actors()
        failures: list[str] = []
        for _ in range(2):
            self.site.now += LOOK_MS + PAUSE_MS
            await self.keep_up(lambda subject, _: failures.append(subject))
        assert failures == []
        site = await self.hosting.sites.get(NAME)
        assert site is not None
        assert site.is_told
        await assert_right(self.site)
        if site.follows and site.deleted_at is None:
            await self.require_newest()

    async def require_newest(self) -> None:
        """The branch's newest commit is a version, or is to be one when the one before has ended."""
        waiting = await self.hosting.versions.on_its_way(NAME)
        site = await self.hosting.sites.get(NAME)
        assert site is not None
        for app_id in self.apps:
            is_newest = (await self.site.app(app_id)).source.commit_hash == self.branch.head
            if is_newest and await self.hosting.versions.has(NAME, app_id):
                return
        assert site.wanted_at is not None
        assert waiting is not None

    def compare(self) -> None:
        events = self.events()
        if events[-1].kind == "deletion":
            assert self.site.billing.getByName(NAME)._ledger.take_lease(self.site.now, 2) == "closed"
            return
        account = self.site.billing.getByName(NAME)._ledger._read()
        times = {event.serves_from or 0 for event in events} | {self.site.now}
        for time in sorted(time for time in times if time >= self.site.now):
            expected = served(events, time)
            assert expected == (None if account is None else account.serving(time)[0])
        for app_id in {served(events, time) for time in times if time >= self.site.now} - {None}:
            app = self.run(self.site.app(app_id))  # type: ignore[arg-type]
            assert app.status == "deployed"


def served(events: list[Event], time: int) -> str | None:
    """A plain reading of the history: what serves at a time."""
    withdrawn = {event.withdraws for event in events}
    begun = [
        (event.serves_from, event.at, event.app_id)
        for event in events
        if event.serves_from is not None and event.at not in withdrawn and event.serves_from <= time
    ]
    return max(begun)[2] if begun else None


def require_promised(event: Event, before: list[Event]) -> None:
    """Whoever read the history at any time before an event was told the truth."""
    if event.kind == "withdrawal":
        announced = next(other for other in before if other.at == event.withdraws)
        assert announced.serves_from is not None
        assert announced.serves_from >= event.at + WITHDRAW_MS
    if event.serves_from is None or not any(other.serves_from for other in before):
        return
    if event.kind == "return":
        withdrawn = {other.withdraws for other in before}
        known = {
            other.app_id
            for other in before
            if other.at not in withdrawn and (other.serves_from or event.at + 1) <= event.at
        }
        assert event.app_id in known
        assert event.app_id != served(before, event.at)
        assert event.serves_from == event.at
        return
    told = [other for other in before if other.notice_ms is not None]
    ends = [*(other.at for other in told[1:]), event.at]
    for other, end in zip(told, ends, strict=True):
        # It was there to be read, the last time right before the next one.
        assert other.notice_ms is not None
        assert event.serves_from >= min(end, event.at) + other.notice_ms


TestSites = Sites.TestCase
TestSites.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
