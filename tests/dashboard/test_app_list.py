"""The list of a user's apps: what it says of each, and which it shows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from model.app import UNFINISHED
from model.suspension import Target
from tests.dashboard.dashboard_site import ALICE, BOB, SOURCE, Site
from tests.dashboard.test_suspensions import suspend
from web.app_list import APPS_PER_PAGE

STATES = {
    "serving": "status = 'deployed', deployed_at = 1",
    "unfinished": "status = 'building'",
    "failed": "status = 'failed', failure = 'The build failed.'",
    "missing": "status = 'deployed', deployed_at = 1, missing_since = 1",
    "deleted": "status = 'deleted', deleted_at = 1",
}
IDS = dict(
    zip(STATES, ("bcdfghjkmnpq", "bcdfghjkmnpr", "bcdfghjkmnps", "bcdfghjkmnpt", "bcdfghjkmnpv"), strict=True)
)
ROW = re.compile(r'<tr id="([a-z0-9]+)"')


def on_list(work: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        site = Site()
        for state, app_id in IDS.items():
            await site.add_app(app_id, ALICE, replace(SOURCE, directory=f"workers/{state.title()}"))
            await site.database.execute(f"UPDATE apps SET {STATES[state]} WHERE id = ?", app_id)
            site.now += 1
        await work(site)

    asyncio.run(run())


async def listed(site: Site, query: str = "") -> set[str]:
    page = await site.visitor(ALICE).get(f"/apps{query}")
    assert page.status_code == 200
    return {state for state, app_id in IDS.items() if app_id in ROW.findall(page.text)}


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"serving", "unfinished", "failed", "missing"}),
        ("?show=serving", {"serving"}),
        ("?show=unfinished", {"unfinished"}),
        ("?show=failed", {"failed", "missing"}),
        ("?show=deleted", {"deleted"}),
        ("?show=all", set(STATES)),
        ("?show=nonsense", {"serving", "unfinished", "failed", "missing"}),
        ("?q=SERVING", {"serving"}),
        ("?q=alice/hello/workers/f", {"failed"}),
        (f"?q={IDS['failed']}", {"failed"}),
        (f"?q={IDS['deleted']}", set()),
        (f"?q={IDS['deleted']}&show=all", {"deleted"}),
        ("?q=%25", set()),
        ("?q=" + "x" * 5_000, set()),
    ],
)
def test_apps_are_found_by_words_and_by_state_and_deleted_ones_only_when_asked_for(
    query: str, shown: set[str]
) -> None:
    async def work(site: Site) -> None:
        assert await listed(site, query) == shown

    on_list(work)


def test_who_has_deleted_ones_alone_can_find_them() -> None:
    async def work(site: Site) -> None:
        await site.database.execute(f"UPDATE apps SET failure = NULL, {STATES['deleted']}")
        page = (await site.visitor(ALICE).get("/apps")).text
        assert "You have no apps." in page
        assert '<option value="deleted">' in page
        assert await listed(site, "?show=deleted") == set(STATES)

    on_list(work)


def test_what_is_suspended_is_among_what_is_not_to_be_had() -> None:
    async def work(site: Site) -> None:
        await suspend(site, Target("app", IDS["serving"]))
        assert await listed(site, "?show=serving") == set()
        assert await listed(site, "?show=failed") == {"serving", "failed", "missing"}

    on_list(work)


def test_an_app_is_named_by_where_its_code_is_and_its_row_says_what_it_has_left() -> None:
    async def work(site: Site) -> None:
        await site.services.billing.open_account(IDS["serving"])
        account = site.billing.getByName(IDS["serving"])
        page = (await site.visitor(ALICE).get("/apps")).text
        assert f'<a href="/apps/{IDS["serving"]}">alice/hello/workers/Serving</a>' in page
        assert "100 requests" in page
        account.pay("payment", 500)
        account.use(1)
        page = (await site.visitor(ALICE).get("/apps")).text
        assert "16,666,765 requests" in page
        assert "$5.00" in page
        site.billing.is_down = True
        assert len(ROW.findall((await site.visitor(ALICE).get("/apps")).text)) == 4

    on_list(work)


def test_what_is_on_its_way_asks_again_for_its_own_row_and_nothing_else_does() -> None:
    async def work(site: Site) -> None:
        app_id = IDS["unfinished"]
        asks = re.compile(r'<tr id="([a-z0-9]+)" hx-get="([^"]+)"')
        for status in UNFINISHED:
            await site.database.execute("UPDATE apps SET status = ? WHERE id = ?", status, app_id)
            page = (await site.visitor(ALICE).get("/apps")).text
            assert asks.findall(page) == [(app_id, f"/apps?show=all&amp;q={app_id}")]
        await site.database.execute(f"UPDATE apps SET {STATES['deleted']} WHERE id = ?", app_id)
        answer = (await site.visitor(ALICE).get(f"/apps?show=all&q={app_id}")).text
        assert ROW.findall(answer) == [app_id]
        assert asks.findall(answer) == []

    on_list(work)


def test_older_ones_are_on_pages_of_their_own_and_of_the_same_choice() -> None:
    async def work(site: Site) -> None:
        for number in range(APPS_PER_PAGE + 3):
            await site.add_app(f"more{number}", ALICE, replace(SOURCE, directory=f"more/{number}"))
            site.now += 1
        first = (await site.visitor(ALICE).get("/apps?q=More&show=unfinished")).text
        assert len(ROW.findall(first)) == APPS_PER_PAGE
        (older,) = re.findall(r'<a href="([^"]+)">Older apps</a>', first)
        second = (await site.visitor(ALICE).get(older.replace("&amp;", "&"))).text
        assert len(ROW.findall(second)) == 3
        assert "Older apps" not in second
        assert ROW.findall((await site.visitor(BOB).get("/apps?show=all")).text) == []

    on_list(work)
