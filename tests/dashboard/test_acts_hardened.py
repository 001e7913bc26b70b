"""Acts of operators and of people who leave: names that collide, much that is refunded, a second click."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from attestation.checks import BUDGET
from model.app import Source, User
from model.limits import DAY_MS
from model.suspension import ActError, Operator, Target
from model.switches import value_of
from tests.dashboard.dashboard_site import ALICE, NOW, OPERATOR, Site
from tests.dashboard.shop import APP, Shop, in_shop
from tests.dashboard.test_leaving import prepare
from tests.dashboard.test_sites import app_id_of, in_site

BY = Operator("operator", 3)
PAY = (
    "INSERT INTO payments (id, app_id, status, amount_cents, created_at, paid_at) "
    "VALUES (?, ?, 'credited', 500, ?, ?)"
)
TAKE_BACK = (
    "INSERT INTO reversals (id, payment_id, amount_cents, version, booked_version, created_at) "
    "VALUES (?, ?, 500, 1, 1, ?)"
)


async def pay(site: Site, app: str, number: int, is_refunded: bool) -> None:
    payment = f"cs_test_{number:04}"
    await site.database.execute(PAY, payment, app, NOW + number, NOW + number)
    site.billing.getByName(app).pay(payment, 500)
    if is_refunded:
        await site.database.execute(TAKE_BACK, f"re_{number}", payment, NOW)
        await site.billing.getByName(app).set_reversal(f"re_{number}", 500, 1)


def test_an_operator_suspends_whom_the_page_has_named_whatever_others_are_called() -> None:
    async def work(site: Site) -> None:
        bad, decoy = User(583_231, "bad", None), User(999, "583231", None)
        await site.deployed_app(APP, bad, Source("bad/x", "main", "a" * 40, ""))
        await site.log_in(decoy)
        operator = site.visitor(OPERATOR)
        page = await operator.get("/operator/suspend?kind=user&name=bad")
        found = re.search(r'name="name" value="([^"]*)"', page.text)
        assert found is not None
        form = {"kind": "user", "name": found[1], "reason": "Phishing."}
        assert (await operator.post("/operator/suspend", form)).status_code == 303
        rows = await site.database.execute("SELECT name FROM suspensions")
        assert [row["name"] for row in rows] == [str(bad.id)]

    in_site(work)


def test_what_is_left_in_suspended_accounts_is_listed_however_many_were_refunded() -> None:
    async def work(site: Site) -> None:
        for number in range(30):
            app = app_id_of(number)
            await site.deployed_app(app, ALICE, Source("alice/x", "main", f"{number:040x}", ""))
            await pay(site, app, number, is_refunded=number < 29)
        # And in one account, the oldest of many.
        for number in range(100, 151):
            await pay(site, app, number, is_refunded=True)
        await site.services.suspending.suspend(Target("user", str(ALICE.id)), "x", BY, NOW)
        assert [one.unused_cents for one in await site.services.suspending.unusable()] == [500]

    in_site(work)


def test_what_was_paid_while_suspended_for_what_was_deleted_then_is_refunded_after_restoring(
    tmp_path: Path,
) -> None:
    async def work(shop: Shop) -> None:
        target = Target("app", APP)
        session = await shop.begin()
        await shop.services.suspending.suspend(target, "x", BY, shop.site.now)
        shop.site.now += 1_000
        shop.stripe.pay(session, settles_later=False)
        assert "will be refunded" in (await shop.success(session)).text
        assert await shop.services.apps.mark_deleted(APP, shop.site.now)
        await shop.services.billing.close_account(APP)
        await shop.services.suspending.restore(target, "gone", BY, shop.site.now)
        assert "will be refunded" in (await shop.success(session)).text
        assert len(await shop.services.payments.to_refund(0, 10)) == 1

    in_shop(tmp_path, work)


def test_a_second_click_on_leaving_undoes_nothing(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        await prepare(site, tmp_path)
        alice = site.visitor(ALICE)
        await alice.get("/account")
        form = {"login": "alice"}
        first, second = await asyncio.gather(
            alice.post("/account/delete", form), alice.post("/account/delete", form)
        )
        assert {first.status_code, second.status_code} <= {303, 401}
        third = await alice.post("/account/delete", form)
        assert third.status_code == 401
        assert "location" not in third.headers

    in_site(work)


def test_a_check_that_died_leaves_the_time_of_what_it_left() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        store = site.services.checks.store
        document = {"agrees": True, "manifest": {}, "deployed": {}, "differences": [], "attestation": None}
        document["checkedAt"] = "2027-01-15T08:00:00Z"
        await store.want_check(APP, NOW, BUDGET)
        await store.begin_check(NOW, BUDGET)
        await store.finish_check(APP, 200, document, True, NOW)
        site.now += 30 * DAY_MS
        await store.want_check(APP, site.now, BUDGET)
        await store.begin_check(site.now, BUDGET)
        page = (await site.visitor().get(f"/apps/{APP}/attestation")).text
        assert 'datetime="2027-01-15T08:00:00' in page
        assert 'datetime="2027-02' not in page
        assert "not checked lately" in (await site.visitor().get(f"/apps/{APP}/badge.svg")).text

    in_site(work)


def test_the_life_of_an_app_is_not_the_time_of_its_deploy() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await site.database.execute(
            "INSERT OR IGNORE INTO deploys SELECT id, user_id, run_began_at FROM apps"
        )
        await site.services.apps.mark_deleted(APP, NOW + DAY_MS // 2)
        found = await site.services.measures.deploys(NOW + DAY_MS // 2)
        assert "43200" not in repr(found)

    in_site(work)


def test_an_age_has_no_leading_zeros_to_hide_behind() -> None:
    with pytest.raises(ActError):
        value_of("account-age", "000000000999999")
