"""What pages say of an app and its account: the same in every place, and only what is so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from model.app import STATES, UNFINISHED
from model.suspension import Operator, Target
from tests.dashboard.dashboard_site import ALICE, OPERATOR, Site
from tests.dashboard.shop import APP, Shop, in_shop
from tests.dashboard.test_presence import Hosted, hosting
from tests.dashboard.test_sites import NAME, add_version, in_site, make_site

CHANGES = {
    "missing": "missing_since = 1",
    "failed": "status = 'failed', failure = 'The build failed.'",
    "deleted": "status = 'deleted', deleted_at = 1",
}
WHY = {
    "missing": "not at Cloudflare any more",
    "deleted": "was deleted",
    "suspended": "imitates a bank",
}
GONE = pytest.mark.parametrize("state", WHY)
BADGE = re.compile(r'<span class="badge (\w+)">(\w+)</span>')
CURRENT = re.compile(r'aria-current="step" aria-busy="true">(\w+)')


def on_site(work: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        site = Site()
        await site.deployed_app(APP, OPERATOR)
        await work(site)

    asyncio.run(run())


async def change(site: Site, state: str) -> None:
    if state == "suspended":
        await site.database.execute("UPDATE apps SET status = 'deployed'")
        ids = [str(row["id"]) for row in await site.database.execute("SELECT id FROM apps")]
        for app_id in ids:
            target, by = Target("app", app_id), Operator("operator", OPERATOR.id)
            await site.services.suspending.suspend(target, "It imitates a bank.", by, site.now)
        return
    await site.database.execute("UPDATE apps SET " + CHANGES.get(state, f"status = '{state}'"))
    await site.services.sums.recount(site.now)


@pytest.mark.parametrize("state", STATES)
def test_a_state_has_one_word_on_every_page(state: str) -> None:
    async def work(site: Site) -> None:
        await change(site, state)
        visitor = site.visitor(OPERATOR)
        for path in ("/apps?show=all", f"/apps/{APP}", "/operator"):
            assert BADGE.findall((await visitor.get(path)).text) == [(state, state)], path
        assert f"<dt>Apps {state}</dt><dd>1</dd>" in (await visitor.get("/operator")).text
        steps = CURRENT.findall((await visitor.get(f"/apps/{APP}")).text)
        assert [step.lower() for step in steps] == ([state] if state in UNFINISHED[1:] else [])

    on_site(work)


@GONE
def test_what_serves_nothing_is_neither_opened_nor_topped_up_and_the_reason_is_said(
    tmp_path: Path, state: str
) -> None:
    async def work(shop: Shop) -> None:
        site, opens = shop.site, f'href="https://{APP}.apps.example/"'
        session = await shop.paid()
        assert opens in (await shop.success(session)).text
        pages = (f"/apps/{APP}", f"/apps/{APP}/402")
        for path in pages:
            page = (await site.visitor(ALICE).get(path)).text
            assert opens in page
            assert f'"/apps/{APP}/top-up"' in page
        await change(site, state)
        if state == "deleted":
            await site.services.billing.close_account(APP)
        for path in (*pages, "/apps?show=all", f"/checkout-sessions/{session['id']}/success"):
            page = (await site.visitor(ALICE).get(path)).text
            assert opens not in page, path
            assert "/top-up" not in page, path
            assert "can serve" not in page, path
        for path in pages:
            assert WHY[state] in (await site.visitor().get(path)).text

    in_shop(tmp_path, work)


@GONE
def test_a_site_whose_app_is_gone_promises_nothing_either(state: str) -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        await add_version(site, 1)
        here, opens = f"/sites/{NAME}", f'href="https://{NAME}.apps.example/"'
        for path in (here, f"{here}/402"):
            page = (await site.visitor().get(path)).text
            assert opens in page
            assert "/top-up" in page
        await change(site, state)
        for path in (here, f"{here}/402"):
            page = (await site.visitor().get(path)).text
            assert opens not in page
            assert "/top-up" not in page
            assert "can serve" not in page
            assert WHY[state] in page

    in_site(work)


def test_an_app_that_is_deleted_before_it_was_deployed_is_gone_at_its_address_too() -> None:
    async def work(site: Site) -> None:
        await site.add_app(APP)
        assert site.billing.getByName(APP).take() == "no_account"
        await site.visitor(ALICE).post(f"/apps/{APP}/delete")
        assert site.billing.getByName(APP).take() == "closed"  # dispatch answers 410

    in_site(work)


def test_a_suspended_site_is_called_so_everywhere() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        await add_version(site, 1)
        await site.services.suspending.suspend(Target("site", NAME), "x", Operator("operator"), site.now)
        for path in ("/sites", f"/sites/{NAME}"):
            assert (
                '<span class="badge suspended">suspended</span>' in (await site.visitor(ALICE).get(path)).text
            )
        proof = (await site.visitor().get(f"/sites/{NAME}/attestation")).text
        assert "was suspended by the operator: x It serves nothing." in proof

    in_site(work)


def test_a_worker_that_was_uploaded_by_hand_and_is_gone_is_not_said_to_serve(tmp_path: Path) -> None:
    async def work(hosted: Hosted) -> None:
        await hosted.site.services.billing.open_account("by-hand")
        path = "/apps/by-hand/402"
        assert "can serve requests" in (await hosted.site.visitor().get(path)).text
        assert await hosted.is_missing("by-hand")
        assert "This app is missing" in (await hosted.site.visitor().get(path)).text

    hosting(tmp_path, work)


def test_pages_count_what_was_used_as_their_charts_do_and_what_is_reserved_apart() -> None:
    async def work(site: Site) -> None:
        account = site.billing.getByName(APP)
        account.pay("payment", 30)
        account.use(1)
        lease = account.lease(1_000)
        assert lease.requests == 1_000

        async def shown(path: str) -> tuple[str, ...]:
            page = (await site.visitor(OPERATOR).get(path)).text
            found = re.findall(r'<td class="number">(?:<span title="([^"]+)">)?([^<]+)<', page)[:5]
            return tuple(exact or readable for exact, readable in found)

        path = f"/apps/{APP}"
        assert await shown(path) == ("1", "1,000,099", "$0.00", "$0.30", "$0.30")
        page = (await site.visitor().get(path)).text
        assert "1 in total" in page
        assert "1,000 are reserved" in page
        await site.services.upkeep.run(site.now, lambda *failure: None)
        assert (
            '<td data-label="Requests" class="number">1</td>'
            in (await site.visitor(OPERATOR).get("/operator")).text
        )
        account.settle(lease, 199)
        assert await shown(path) == ("200", "999,900", "$0.00003", "$0.30", "$0.29997")
        page = (await site.visitor().get(path)).text
        assert "200 in total" in page
        assert "reserved" not in page

    on_site(work)
