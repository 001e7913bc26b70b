"""The operator's lists: everything, a page at a time, and what a word finds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from model.app import Source, User
from model.limits import DAY_MS
from tests.dashboard.dashboard_site import ALICE, BOB, OPERATOR, Site
from web.operator_lists import SHOWN

ID = re.compile(r'href="/(?:apps|sites)/([^"]+)"')
APP, OTHER = "bcdfghjkmnpq", "bcdfghjkmnpr"


def run(work: Callable[[Site], Awaitable[None]]) -> None:
    async def begin() -> None:
        site = Site()
        await site.deployed_app(APP, ALICE, Source("Acme/Hello", "main", "a" * 40, ""))
        site.now += 1
        await site.deployed_app(OTHER, BOB, Source("acme/other", "main", "a" * 40, ""))
        await site.database.execute(
            "INSERT INTO sites (name, user_id, repository, directory, branch, created_at, changed_at) "
            "VALUES ('example', 1, 'Acme/Hello', '', 'main', 1, 1)"
        )
        await work(site)

    asyncio.run(begin())


async def found(site: Site, path: str) -> list[str]:
    return ID.findall((await site.visitor(OPERATOR).get(path)).text)


@pytest.mark.parametrize(
    ("word", "apps", "sites"),
    [
        ("", [OTHER, APP], ["example"]),
        (APP, [APP], []),
        ("Alice", [APP], ["example"]),
        ("ACME/hello", [APP], ["example"]),
        ("acme", [OTHER, APP], ["example"]),
        ("example", [], ["example"]),
        ("nothing' OR 1", [], []),
    ],
)
def test_a_word_finds_apps_and_sites_by_id_name_login_repository_or_owner(
    word: str, apps: list[str], sites: list[str]
) -> None:
    async def work(site: Site) -> None:
        assert await found(site, f"/operator/apps?q={word}") == apps
        assert await found(site, f"/operator/sites?q={word}") == sites

    run(work)


@pytest.mark.parametrize("word", ["bob", "2", "BOB"])
def test_users_are_found_by_login_and_id(word: str) -> None:
    async def work(site: Site) -> None:
        page = (await site.visitor(OPERATOR).get(f"/operator/users?q={word}")).text
        assert "kind=user&amp;name=2" in page
        assert "name=1" not in page
        assert "kind=user&amp;name=1" in (await site.visitor(OPERATOR).get("/operator/users")).text

    run(work)


def test_a_list_has_pages() -> None:
    async def work(site: Site) -> None:
        for number in range(SHOWN):
            site.now += 1
            user = User(100 + number, f"user-{number}", None)
            await site.add_app(f"bcdfghjk{number:04}".replace("0", "z").replace("1", "y"), user)
        seen: list[str] = []
        path = "/operator/apps"
        while path:
            page = (await site.visitor(OPERATOR).get(path)).text
            seen += ID.findall(page)
            older = re.search(r'href="(/operator/apps\?before=\d+)"', page)
            path = older[1] if older else ""
        assert len(seen) == len(set(seen)) == SHOWN + 2
        assert seen[-2:] == [OTHER, APP]

    run(work)


def test_an_operator_opens_a_failed_app_of_somebody_elses_and_can_not_act_for_them() -> None:
    async def work(site: Site) -> None:
        await site.database.execute(
            "UPDATE apps SET status = 'failed', failure = 'It broke.', deployed_at = NULL WHERE id = ?", APP
        )
        assert "It broke." in (await site.visitor(OPERATOR).get(f"/apps/{APP}")).text
        assert (await site.visitor(BOB).get(f"/apps/{APP}")).status_code == 404
        assert (await site.visitor(OPERATOR).post(f"/apps/{APP}/retry")).status_code == 403
        assert (await site.visitor(OPERATOR).post(f"/apps/{APP}/delete")).status_code == 403

    run(work)


@pytest.mark.parametrize("path", ["/operator/apps", "/operator/sites", "/operator/users"])
@pytest.mark.parametrize("user", [None, ALICE], ids=str)
def test_nobody_else_learns_of_the_lists(path: str, user: User | None) -> None:
    async def work(site: Site) -> None:
        assert (await site.visitor(user).get(path)).status_code == 404

    run(work)


def test_new_apps_are_counted_by_the_day() -> None:
    async def work(site: Site) -> None:
        site.now += DAY_MS
        assert (await site.services.sums.days(site.now, 3)).apps == [0, 2, 0]
        assert "New apps per day" in (await site.visitor(OPERATOR).get("/operator")).text

    run(work)
