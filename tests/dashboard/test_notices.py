"""What deployers are told: each cause once, whatever dies, and no more than is kept."""

from __future__ import annotations

import asyncio

import pytest

from attestation.checks import BUDGET
from deploy.operate import inlined
from hosting.notices import LOOK_MS
from local.staging import ROOT
from model.app import Source
from model.progress import RunReport
from model.suspension import Target
from store.notices import KEPT_MS, MOST_OF_USER
from store.suspensions import restoring, suspending
from tests.dashboard.dashboard_site import ALICE, BOB, NOW, Site
from tests.dashboard.noticing import (
    APP,
    BY,
    HOOK,
    OTHER,
    act,
    differing,
    feed_address,
    ignored,
    kinds,
    run,
    told,
    upkeep,
    watch,
    with_receiver,
)
from tests.dashboard.turns import Actor, steps_of, take_turns

QUEUED, DEPLOYED, FAILED = (
    RunReport(7, 1, "queued", app_id=APP),
    RunReport(7, 1, "deployed", "success", APP),
    RunReport(7, 1, "failed", "failure", APP),
)


# Causes.


def test_a_deploy_and_each_failed_run_are_told_once_however_often_they_are_reported() -> None:
    async def work(site: Site) -> None:
        deployments = site.services.deployments
        await site.add_app(APP)
        for report in (QUEUED, FAILED, FAILED, QUEUED):
            await deployments.report(APP, report, site.now)
        again = RunReport(7, 2, "failed", "failure", APP)
        for report in (again, again):
            await deployments.report(APP, report, site.now)
        last = RunReport(7, 3, "deployed", "success", APP)
        site.now += 1
        for report in (last, last, QUEUED):
            await deployments.report(APP, report, site.now)
        assert await kinds(site) == ["failed", "failed", "deployed"]
        assert [notice.words for notice in await told(site)][1:] == [
            f"The app {APP} was not deployed: The workflow failed.",
            f"The app {APP} is deployed: alice/hello, commit {'a' * 40}",
        ]
        assert await kinds(site, BOB) == []

    run(work)


def test_a_death_between_any_two_steps_of_a_report_loses_no_notice() -> None:
    async def work() -> None:
        async def begun() -> Site:
            site = Site()
            await site.add_app(APP)
            await site.services.deployments.report(APP, QUEUED, site.now)
            take_turns(site)
            return site

        first = await begun()
        steps = await steps_of(first.services.deployments.report(APP, DEPLOYED, first.now))
        for lived in range(steps):
            site = await begun()
            reporting = Actor(site.services.deployments.report(APP, DEPLOYED, site.now))
            for _ in range(lived):
                await reporting.step()
            await reporting.die()
            is_deployed = (await site.app(APP)).status == "deployed"
            assert await kinds(site) == ["deployed"] * is_deployed
            await site.services.deployments.report(APP, DEPLOYED, site.now)
            assert await kinds(site) == ["deployed"]

    asyncio.run(work())


@pytest.mark.parametrize(
    "target",
    [Target("app", APP), Target("user", "1"), Target("repository", "alice/hello"), Target("owner", "alice")],
    ids=lambda target: target.kind,
)
def test_an_act_of_the_operator_is_told_once_to_each_whom_it_concerns(target: Target) -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await site.deployed_app(OTHER, ALICE, Source("alice/hello", "main", "b" * 40, ""))
        await site.deployed_app("bcdfghjkmnps", BOB, Source("bob/hello", "main", "b" * 40, ""))
        await act(site, "suspend", target)
        for _ in range(2):  # a second click
            with pytest.raises(Exception, match="suspended already"):
                await act(site, "suspend", target)
        await act(site, "restore", target)
        with pytest.raises(Exception, match="isn't suspended"):
            await act(site, "restore", target)
        assert await kinds(site) == ["suspended", "restored"]
        assert await kinds(site, BOB) == []
        await act(site, "suspend", target)
        assert await kinds(site) == ["suspended", "restored", "suspended"]
        assert (await told(site))[0].words.endswith("was suspended by the operator: It imitates a bank.")

    run(work)


def test_what_the_command_line_does_is_told_too() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        for statements in (suspending, restoring):
            acts = statements(Target("owner", "alice"), "It's spam; really.", BY, site.now)
            site.database.connection.executescript("; ".join(inlined(*statement) for statement in acts))
        assert [notice.words for notice in await told(site)] == [
            f"What is deployed of alice was {act} by the operator: It's spam; really."
            for act in ("suspended", "restored")
        ]

    run(work)


def test_a_difference_is_told_when_it_is_found_and_again_after_it_was_gone() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await site.services.checks.store.want_check(APP, site.now, BUDGET)
        for agrees in (False, False, True, True, False):
            site.now += 1
            await differing(site, agrees=agrees)
        assert await kinds(site) == ["differs", "differs"]
        assert (await told(site))[
            0
        ].words == f"The app {APP} is not what was signed: index.js is another one."

    run(work)


def test_a_balance_is_told_each_time_it_falls_below_what_was_set_and_when_it_is_used_up() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        account = site.billing.getByName(APP)
        account.pay("first", 50)
        await upkeep(site, LOOK_MS)
        assert await kinds(site) == []  # nobody asked to be told
        await watch(site, "0.49")
        for _ in range(3):
            await upkeep(site, LOOK_MS)
        assert await kinds(site) == []
        await watch(site, "$0.50")
        await upkeep(site, LOOK_MS)
        assert await kinds(site) == []  # it isn't below
        account.use(101)
        for _ in range(3):
            await upkeep(site, LOOK_MS)
        assert await kinds(site) == ["low"]
        words = f"The balance of the app {APP} is low: $0.49 is left, which is less than $0.50"
        assert (await told(site))[0].words == words
        account.pay("second", 100)
        await upkeep(site, LOOK_MS)
        await watch(site, "2")
        await upkeep(site, LOOK_MS)
        assert await kinds(site) == ["low", "low"]

    run(work)


def test_what_is_used_up_is_told_though_nothing_was_ever_paid() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await watch(site, "0")
        await upkeep(site, LOOK_MS)
        site.billing.getByName(APP).use(100)
        for _ in range(3):
            await upkeep(site, LOOK_MS)
        assert await kinds(site) == ["used_up"]
        await watch(site, "1")
        site.billing.getByName(APP).pay("first", 50)  # still low, which is better than it was
        await upkeep(site, LOOK_MS)
        assert await kinds(site) == ["used_up"]
        await watch(site, "")  # and no more
        await upkeep(site, LOOK_MS)
        assert await site.services.notices.watched(site.now, 10) == []

    run(work)


def test_a_sites_balance_and_what_befalls_a_site_are_its_owners() -> None:
    async def work(site: Site) -> None:
        await site.log_in(ALICE)
        await site.database.execute(
            "INSERT INTO sites (name, user_id, repository, directory, branch, created_at, changed_at, "
            "told_at) VALUES ('example', 1, 'alice/hello', '', 'main', 1, 2, 2)"
        )
        await watch(site, "1")
        await upkeep(site, LOOK_MS)  # it has no account before it serves
        await site.services.billing.open_account("example")
        site.billing.getByName("example").pay("first", 50)
        await upkeep(site, LOOK_MS)
        await act(site, "suspend", Target("site", "example"))
        found = await told(site)
        assert [(notice.kind, notice.about, notice.path) for notice in found] == [
            ("low", "site", "/sites/example"),
            ("suspended", "site", "/sites/example"),
        ]

    run(work)


def test_balances_are_looked_at_now_and_then_those_first_that_waited_longest() -> None:
    async def work(site: Site) -> None:
        for number in range(3):
            source = Source("alice/hello", "main", str(number) * 40, "")
            await site.deployed_app(f"bcdfghjkmnp{'qrs'[number]}", ALICE, source)
        await watch(site, "1")
        notices, now = site.services.notices, site.now
        first = await notices.watched(now, 2)
        assert [one.account for one in first] == ["bcdfghjkmnpq", "bcdfghjkmnpr"]
        await notices.mark_looked([one.account for one in first], now)
        assert [one.account for one in await notices.watched(now, 1)] == ["bcdfghjkmnps"]
        await notices.mark_looked(["bcdfghjkmnps"], now + 1)
        assert await notices.watched(now - 1, 9) == []

    run(work)


def test_a_death_while_balances_are_looked_at_loses_no_notice_and_two_runs_tell_it_once() -> None:
    async def work() -> None:
        async def begun() -> Site:
            site = Site()
            await site.deployed_app(APP)
            await watch(site, "0")
            site.billing.getByName(APP).use(100)
            take_turns(site)
            return site

        first = await begun()
        steps = await steps_of(first.services.notifying.look_at_balances(first.now, ignored))
        assert await kinds(first) == ["used_up"]
        for lived in range(steps):
            site = await begun()
            looks = [Actor(site.services.notifying.look_at_balances(site.now + at, ignored)) for at in (0, 1)]
            for _ in range(lived):
                await looks[0].step()
            await looks[0].die()
            await looks[1].finish()
            await site.services.notifying.look_at_balances(site.now + LOOK_MS + 1, ignored)
            assert await kinds(site) == ["used_up"]

    asyncio.run(work())


# How much there is, and for how long.


def test_of_each_user_the_latest_are_kept_for_some_months() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await site.log_in(BOB)
        for number in range(MOST_OF_USER + 5):
            await site.database.execute(
                "INSERT INTO notices (user_id, cause, kind, about, name, detail, at) "
                "VALUES (?, ?, 'deployed', 'app', 'x', '', ?)",
                *(1 if number else 2, f"cause {number}", NOW + number),
            )
        await upkeep(site)
        found = await told(site)
        assert len(found) == MOST_OF_USER
        assert found[-1].cause == f"cause {MOST_OF_USER + 4}"
        assert len(await told(site, BOB)) == 1
        await upkeep(site, KEPT_MS)
        assert await kinds(site) == []

    run(work)


def test_nothing_of_it_outlives_the_account_also_what_is_set_while_it_is_deleted() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        receiver = await with_receiver(site)
        await feed_address(site)
        await watch(site, "5")
        await upkeep(site, LOOK_MS)
        await site.services.leaving.delete(ALICE, site.now)
        notices = site.services.notices
        await notices.set_hook(ALICE.id, HOOK, 0, "receiver.example", site.now)
        await notices.set_feed(ALICE.id, "a" * 64)
        await notices.set_threshold(ALICE.id, 5)
        await site.services.suspending.suspend(Target("user", "1"), "Spam.", BY, site.now)
        for table in ("notices", "notice_settings", "balances"):
            assert await site.database.execute(f"SELECT * FROM {table}") == []
        assert len(receiver.came) == 1

    run(work)


def test_the_dashboards_worker_reaches_what_users_name_only_as_the_public_does() -> None:
    """Cloudflare's "Compatibility flags", `global_fetch_strictly_public`."""
    assert "global_fetch_strictly_public" in (ROOT / "dashboard" / "wrangler.toml").read_text()
