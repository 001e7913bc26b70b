"""Suspending and restoring: apps, sites, users, repositories and owners; whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hosting.deployments import AlreadyDeployedError
from ledger import Lease, Suspended
from local.staging import ROOT
from model.app import Source
from model.progress import RunReport
from model.site import SiteError
from model.suspension import (
    ActError,
    Kind,
    Operator,
    SuspendedError,
    Target,
    reason_of,
    refundable,
    target_of,
)
from tests.dashboard.canned import CannedServer
from tests.dashboard.dashboard_site import ALICE, BOB, GITHUB, NOW, OPERATOR, Site
from tests.dashboard.shop import APP, Shop, in_shop
from tests.dashboard.turns import Actor, orders, steps_of, take_turns

REASON = "It imitates a bank."
BY = Operator("operator", 3)
# Looking for the target, the act, reading whom to tell, telling; restoring needs no look.
STEPS_OF_ACT = 4
OTHER = "bcdfghjkmnpr"
THEIRS = Source("Mallory/hello", "main", "b" * 40, "")
TARGETS: list[Target] = [
    Target("app", APP),
    Target("user", "1"),
    Target("repository", "alice/hello"),
    Target("owner", "alice"),
]


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


async def site_with_apps() -> Site:
    """An app of alice's, and one of bob's from another repository."""
    site = Site()
    await site.deployed_app(APP)
    await site.deployed_app(OTHER, BOB, THEIRS)
    return site


async def suspend(site: Site, target: Target, reason: str = REASON) -> None:
    await site.services.suspending.suspend(target, reason, BY, site.now)


async def restore(site: Site, target: Target) -> None:
    await site.services.suspending.restore(target, "A mistake.", BY, site.now)


def take(site: Site, account: str) -> Any:
    return site.billing.getByName(account).take()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.kind)
def test_what_is_suspended_gets_no_lease_and_what_is_not_still_does(target: Target) -> None:
    async def work() -> None:
        site = await site_with_apps()
        await suspend(site, target)
        assert take(site, APP) == Suspended(REASON)
        assert isinstance(take(site, OTHER), Lease)
        assert (await site.app(APP)).state == "suspended"
        assert (await site.app(OTHER)).state == "deployed"
        assert (await site.services.sums.totals()).apps == {"suspended": 1, "deployed": 1}
        await restore(site, target)
        assert isinstance(take(site, APP), Lease)
        assert (await site.app(APP)).state == "deployed"

    run(work)


@pytest.mark.parametrize(
    "target", [Target("repository", "mallory/hello"), Target("owner", "mallory")], ids=str
)
def test_names_at_github_differ_by_more_than_their_case(target: Target) -> None:
    async def work() -> None:
        site = await site_with_apps()
        await suspend(site, target_of(target.kind, target.name.upper()))
        assert take(site, OTHER) == Suspended(REASON)
        assert isinstance(take(site, APP), Lease)

    run(work)


def test_what_is_suspended_twice_is_restored_when_both_are() -> None:
    async def work() -> None:
        site = await site_with_apps()
        for target in TARGETS:
            await suspend(site, target, target.kind)
        for target in TARGETS:
            assert isinstance(take(site, APP), Suspended)
            await restore(site, target)
        assert isinstance(take(site, APP), Lease)

    run(work)


@pytest.mark.parametrize("target", TARGETS[1:], ids=lambda target: target.kind)
def test_nothing_new_is_deployed_of_what_is_suspended(target: Target) -> None:
    async def work() -> None:
        site = await site_with_apps()
        await suspend(site, target)
        new = Source("Alice/Hello", "main", "c" * 40, "")
        with pytest.raises(SuspendedError, match="imitates a bank"):
            await site.services.deployments.deploy("bcdfghjkmnps", ALICE, new, site.now)
        assert await site.services.apps.get("bcdfghjkmnps") is None
        await restore(site, target)
        await site.services.deployments.deploy("bcdfghjkmnps", ALICE, new, site.now)
        with pytest.raises(AlreadyDeployedError):
            await site.services.deployments.deploy("bcdfghjkmnpt", ALICE, new, site.now)

    run(work)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.kind)
def test_a_failed_app_that_is_suspended_is_not_tried_again(target: Target) -> None:
    async def work() -> None:
        site = await site_with_apps()
        await site.database.execute("UPDATE apps SET status = 'failed', failure = 'why' WHERE id = ?", APP)
        await suspend(site, target)
        with pytest.raises(SuspendedError):
            await site.services.deployments.retry(await site.app(APP), site.now)
        assert (await site.app(APP)).status == "failed"

    run(work)


def test_a_refused_deploy_is_answered_403_with_the_reason() -> None:
    async def work() -> None:
        site = await site_with_apps()
        await site.database.execute("UPDATE apps SET status = 'failed', failure = 'why' WHERE id = ?", APP)
        await suspend(site, Target("app", APP))
        response = await site.visitor(ALICE).post(f"/apps/{APP}/retry")
        assert response.status_code == 403
        assert REASON in response.text

    run(work)


# Objects, and what happens at the same time.


def test_a_deploy_that_ends_while_its_app_is_suspended_never_serves() -> None:
    """In every order of the deploy's last report and the act; also where one dies and is repeated."""
    succeeded = RunReport(7, 1, "deployed", app_id=APP)

    async def race() -> Site:
        site = Site({GITHUB: CannedServer()})
        await site.add_app(APP)
        await site.database.execute("UPDATE apps SET status = 'deploying', run_id = 7")
        take_turns(site)
        return site

    async def work() -> None:
        reporting = await steps_of((await race()).services.deployments.report(APP, succeeded, NOW))
        assert reporting >= 4
        for order in orders(reporting, STEPS_OF_ACT):
            site = await race()
            report = Actor(site.services.deployments.report(APP, succeeded, site.now))
            act = Actor(suspend(site, Target("app", APP)))
            for is_act in order:
                await (act if is_act else report).step()
            for actor in (report, act):
                await actor.finish()
                actor.task.result()
            assert take(site, APP) == Suspended(REASON), order

    run(work)


@pytest.mark.parametrize("target", [Target("app", APP), Target("user", "1")], ids=lambda target: target.kind)
def test_two_operators_at_once_leave_the_object_as_the_log_says(target: Target) -> None:
    """One restores an app while the other suspends it again, or its deployer."""

    async def work() -> None:
        for order in orders(STEPS_OF_ACT - 1, STEPS_OF_ACT):
            site = await site_with_apps()
            await suspend(site, Target("app", APP), "first")
            take_turns(site)
            actors = Actor(restore(site, Target("app", APP))), Actor(suspend(site, target))
            for is_second in order:
                await actors[is_second].step()
            for actor in actors:
                await actor.finish()
            reason = await site.services.suspensions.reason_of_app(APP)
            refusals = [actor.task.exception() for actor in actors]
            assert refusals[0] is None
            assert reason == (None if refusals[1] else REASON)
            if reason is None:
                assert isinstance(take(site, APP), Lease), order
            else:
                assert take(site, APP) == Suspended(reason), order

    run(work)


@pytest.mark.parametrize("lived", range(8))
def test_an_act_whose_page_dies_is_whole_or_was_never_made(lived: int) -> None:
    async def work() -> None:
        site = await site_with_apps()
        take_turns(site)
        act = Actor(suspend(site, Target("owner", "alice")))
        for _ in range(lived):
            await act.step()
        await act.die()
        await site.billing.tell_suspensions()  # each minute
        has_acted = bool(await site.services.suspensions.acts(2**53, 10))
        assert (take(site, APP) == Suspended(REASON)) is has_acted
        assert await site.services.suspensions.untold() == 0

    run(work)


def test_an_object_that_can_not_be_told_is_told_later() -> None:
    async def work() -> None:
        site = await site_with_apps()
        site.billing.is_down = True
        await suspend(site, Target("owner", "alice"))
        assert await site.services.suspensions.untold() == 1
        site.billing.is_down = False
        assert isinstance(take(site, APP), Lease)
        assert await site.billing.tell_suspensions() == 1  # it is left alone for a minute
        site.now += 60_000
        assert await site.billing.tell_suspensions() == 0
        assert take(site, APP) == Suspended(REASON)

    run(work)


def test_many_accounts_are_told_by_one_act() -> None:
    async def work() -> None:
        site = Site()
        letters = "bcdfghjkmnpqrstvwxz"
        ids = [f"bcdfghjkmn{one}{other}" for one in letters for other in letters][:130]
        for number, app_id in enumerate(ids):
            await site.deployed_app(app_id, source=Source("alice/hello", "main", f"{number:040x}", ""))
        await suspend(site, Target("owner", "alice"))
        assert all(take(site, app_id) == Suspended(REASON) for app_id in ids)

    run(work)


# Sites.


async def site_of(site: Site, name: str = "example") -> None:
    """A site of alice's that serves APP, and has another version."""
    await site.database.batch(
        (
            "INSERT INTO sites (name, user_id, repository, directory, branch, created_at, changed_at) "
            "VALUES (?, 1, 'alice/hello', '', 'main', 1, 2)",
            (name,),
        ),
        ("INSERT INTO site_versions VALUES (?, ?, 1, 1, 0, 2)", (name, APP)),
        (
            "INSERT INTO site_events (site, at, kind, user_id, app_id, serves_from) "
            "VALUES (?, 2, 'version', 1, ?, 2)",
            (name, APP),
        ),
    )
    await site.services.site_hosting.tell(name, site.now)


async def second_version(site: Site, name: str = "example") -> None:
    await site.deployed_app("bcdfghjkmnps", ALICE, Source("alice/other", "main", "d" * 40, ""))
    found = await site.services.sites.get(name)
    assert found is not None
    await site.services.site_hosting.take(found, await site.app("bcdfghjkmnps"), ALICE, site.now)


SITE_TARGETS = [*TARGETS, Target("site", "example")]


@pytest.mark.parametrize("target", SITE_TARGETS, ids=lambda target: target.kind)
def test_a_site_is_suspended_with_what_it_serves_and_it_with_the_site(target: Target) -> None:
    async def work() -> None:
        site = await site_with_apps()
        await site_of(site)
        assert isinstance(take(site, "example"), Lease)
        await suspend(site, target)
        assert take(site, "example") == Suspended(REASON)
        assert take(site, APP) == Suspended(REASON)
        page = await site.visitor().get("/sites/example")
        assert REASON in page.text
        assert "Top Up" not in page.text
        assert "Open Site" not in page.text
        assert (await site.visitor().post("/sites/example/top-up")).status_code == 409
        await restore(site, target)
        assert isinstance(take(site, "example"), Lease)

    run(work)


def test_a_site_goes_on_with_another_version_where_only_one_is_suspended() -> None:
    async def work() -> None:
        site = await site_with_apps()
        await site_of(site)
        await second_version(site)
        lease = take(site, "example")
        assert lease.worker == "bcdfghjkmnps"
        await suspend(site, Target("app", "bcdfghjkmnps"))
        assert take(site, "example") == Suspended(REASON)
        site.now += 1
        await site.services.site_hosting.go_back("example", ALICE, site.now)
        assert take(site, "example").worker == APP
        with pytest.raises(SiteError, match="imitates a bank"):
            await site.services.site_hosting.switch("example", "bcdfghjkmnps", ALICE, site.now)

    run(work)


def test_a_suspended_site_gets_no_further_versions() -> None:
    async def work() -> None:
        site = await site_with_apps()
        await site_of(site)
        await suspend(site, Target("site", "example"))
        with pytest.raises(SuspendedError):
            await second_version(site)
        assert isinstance(take(site, "bcdfghjkmnps"), Lease)
        assert not await site.services.site_versions.add("example", await site.app("bcdfghjkmnps"), ALICE, 5)

    run(work)


# Pages.


def test_the_page_of_a_suspended_app_says_why_and_offers_nothing(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        for user in (None, ALICE, BOB):
            await suspend(shop.site, Target("owner", "alice"))
            page = (await shop.site.visitor(user).get(f"/apps/{APP}")).text
            assert REASON in page
            assert "mailto:abuse@example.com" in page
            assert "Open App" not in page
            assert "Top Up" not in page
            refused = await shop.site.visitor(user).get(f"/apps/{APP}/402")
            assert REASON in refused.text
            assert "Top Up" not in refused.text
            assert (await shop.site.visitor(user).post(f"/apps/{APP}/top-up")).status_code == 409
            await restore(shop.site, Target("owner", "alice"))
            assert "Open App" in (await shop.site.visitor(user).get(f"/apps/{APP}")).text

    in_shop(tmp_path, work, CONTACT="mailto:abuse@example.com")


def test_an_operator_suspends_and_restores_from_the_page_after_a_confirmation() -> None:
    async def work() -> None:
        site = await site_with_apps()
        operator = site.visitor(OPERATOR)
        asked = await operator.get("/operator/suspend?kind=user&name=Alice")
        assert "GitHub's account alice, id 1" in asked.text
        assert "1 app " in asked.text
        assert isinstance(take(site, APP), Lease)  # nothing happens by a GET
        form = {"kind": "user", "name": "1", "reason": REASON}
        done = await operator.post("/operator/suspend", form)
        assert done.headers["location"] == "/operator#suspensions"
        assert take(site, APP) == Suspended(REASON)
        listed = (await operator.get("/operator")).text
        assert "alice (1)" in listed
        assert REASON in listed
        # A second click leads to what the first one did; another act is told that it came too late.
        assert (await operator.post("/operator/suspend", form)).headers == done.headers
        assert (await operator.post("/operator/suspend", form | {"reason": "Spam."})).status_code == 409
        await operator.post("/operator/restore", form | {"reason": "A mistake."})
        assert isinstance(take(site, APP), Lease)
        document = (await operator.get("/operator/acts.json")).json()
        assert [(act["act"], act["reason"], act["operator"]) for act in document["acts"]] == [
            ("restore", "A mistake.", "operator"),
            ("suspend", REASON, "operator"),
        ]

    run(work)


def test_who_asks_only_for_the_head_of_a_page_changes_nothing() -> None:
    async def work() -> None:
        site = await site_with_apps()
        body = f"kind=app&name={APP}&reason=Spam."
        assert (await site.visitor(OPERATOR).ask("HEAD", "/operator/suspend", {}, body)).status_code == 409
        assert await site.services.suspensions.acts(10**15, 1) == []

    run(work)


@pytest.mark.parametrize("path", ["/operator/suspend?kind=app&name=x", "/operator/restore", "/operator/acts",
                                  "/operator/acts.json"])  # fmt: skip
@pytest.mark.parametrize("user", [None, ALICE], ids=str)
def test_nobody_else_learns_of_these_pages(path: str, user: Any) -> None:
    async def work() -> None:
        site = await site_with_apps()
        assert (await site.visitor(user).get(path)).status_code == 404
        form = {"kind": "app", "name": APP, "reason": REASON}
        assert (await site.visitor(user).post("/operator/suspend", form)).status_code == 404
        assert isinstance(take(site, APP), Lease)

    run(work)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("app", ""), ("app", "../x"), ("thing", "x"), ("site", "ab"), ("user", "nobody")),
        *(("repository", "alice"), ("owner", "a b"), ("owner", "a" * 41)),
    ],
)
def test_what_nothing_can_be_called_is_no_target(kind: str, name: str) -> None:
    with pytest.raises(ActError):
        target_of(kind, name)


@pytest.mark.parametrize("kind", ["app", "site", "user"])
def test_what_is_not_there_is_not_suspended(kind: Kind) -> None:
    async def work() -> None:
        site = await site_with_apps()
        name = {"app": "bcdfghjkmnpz", "site": "nothing-here", "user": "77"}[kind]
        with pytest.raises(ActError, match="There is no"):
            await suspend(site, Target(kind, name))
        assert await site.services.suspensions.acts(2**53, 10) == []

    run(work)


@pytest.mark.parametrize("text", ["", "  \n", "x" * 501])
def test_a_reason_is_needed_and_is_short(text: str) -> None:
    with pytest.raises(ActError):
        reason_of(text)


def test_a_reason_is_one_line_without_what_can_not_be_seen() -> None:
    assert reason_of(" It\x00 imitates\n a bank. ") == REASON


# Money.


def test_a_payment_that_arrives_is_booked_listed_and_good_again_when_it_is_restored(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.begin()
        await suspend(shop.site, Target("app", APP))
        shop.site.now += 10
        shop.stripe.pay(session, settles_later=False)
        page = (await shop.success(session)).text
        assert "will be refunded" in page
        assert await shop.funding() == 500
        (listed,) = await shop.services.suspending.unusable()
        assert (listed.payment.id, listed.unused_cents, listed.payment.word) == (
            session["id"],
            500,
            "to be refunded",
        )
        operator = (await shop.site.visitor(OPERATOR).get("/operator")).text
        assert f"/payments/{listed.payment.payment_intent}" in operator
        await restore(shop.site, Target("app", APP))
        assert await shop.services.suspending.unusable() == []
        assert "Added $5.00" in (await shop.success(session)).text
        assert isinstance(take(shop.site, APP), Lease)

    in_shop(tmp_path, work)


def test_what_was_paid_before_is_listed_as_far_as_it_is_left(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        first, second = await shop.paid(100), await shop.paid(200)
        for session in (first, second):
            assert (await shop.success(session)).status_code == 200
            shop.site.now += 1_000
        # Of $3.00, $0.90 are used: 3,000,000 requests beyond the included ones.
        database = shop.site.billing.getByName(APP)._ledger._database
        database.execute("UPDATE account SET requests = 3000100")
        await suspend(shop.site, Target("app", APP))
        listed = {
            one.payment.amount_cents: one.unused_cents for one in await shop.services.suspending.unusable()
        }
        assert sum(listed.values()) == 210
        assert "Added" in (await shop.success(first)).text

    in_shop(tmp_path, work)


def test_what_is_left_of_a_balance_is_given_back_from_the_latest_payments() -> None:
    assert refundable([200, 100, 50], 250) == [200, 50, 0]
    assert refundable([200], 500) == [200]
    assert refundable([-5, 20], 10) == [0, 10]
    assert refundable([], 10) == []


def test_the_log_of_acts_is_only_added_to() -> None:
    code = [
        path.read_text()
        for folder in ("dashboard", "billing", "deploy")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert any("INSERT INTO acts" in text for text in code)
    assert not any(
        words in text for text in code for words in ("UPDATE acts", "DELETE FROM acts", "REPLACE INTO acts")
    )


def test_the_proof_of_a_suspended_app_stays() -> None:
    async def work() -> None:
        site = await site_with_apps()
        await suspend(site, Target("app", APP))
        assert (await site.app(APP)).is_public
        assert (await site.visitor().get(f"/apps/{APP}/attestation.json")).status_code != 404
        assert (await site.visitor().get(f"/apps/{APP}/attestation")).status_code == 200

    run(work)
