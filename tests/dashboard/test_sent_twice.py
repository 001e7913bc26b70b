"""A form that is sent twice, as by a double click, leads to what the first one made."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from hosting.site_making import TWICE_MS
from local.github.server import GitHub
from tests.dashboard.dashboard_site import ALICE, BOB, GITHUB, Site
from tests.dashboard.test_login import log_in
from tests.dashboard.test_sites import HERE, NAME, add_version, in_site, make_site, waiting, worker
from tests.dashboard.with_github import with_github

FORM = {"repository": f"{GITHUB}/alice/hello"}


def test_an_app_that_is_asked_for_twice_is_one_and_both_answers_lead_to_it(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        first, second = [await site.visitor(ALICE).post("/apps", FORM) for _ in range(2)]
        assert (first.status_code, second.status_code) == (303, 303)
        assert first.headers["location"] == second.headers["location"]
        # As long as it is on its way, too; and moments after it has come to an end.
        await site.database.execute("UPDATE apps SET created_at = created_at - ?", TWICE_MS)
        assert (await site.visitor(ALICE).post("/apps", FORM)).headers == first.headers
        await site.database.execute(
            "UPDATE apps SET status = 'failed', failure = 'x', created_at = ?", site.now
        )
        assert (await site.visitor(ALICE).post("/apps", FORM)).headers == first.headers
        # Later it is asked for again, and the page says that it is there.
        site.now += TWICE_MS
        assert "You already have an app" in (await site.visitor(ALICE).post("/apps", FORM)).text

    with_github(tmp_path, work)


def test_a_site_that_is_asked_for_twice_is_one(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        form = FORM | {"name": NAME, "notice": "hour"}
        for _ in range(2):
            answer = await site.visitor(ALICE).post("/sites", form)
            assert (answer.status_code, answer.headers.get("location")) == (303, HERE)
        assert "Somebody has this name" in (await site.visitor(BOB).post("/sites", form)).text
        site.now += TWICE_MS
        assert "Somebody has this name" in (await site.visitor(ALICE).post("/sites", form)).text
        # What is on its way is asked for once.
        first = await waiting(site)
        for _ in range(2):
            assert (await site.visitor(ALICE).post(f"{HERE}/deploy")).headers["location"] == HERE
        assert await waiting(site) == first

    with_github(tmp_path, work)


def test_a_change_of_a_site_that_is_asked_for_twice_is_made_once() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        first, second = await add_version(site, 1), await add_version(site, 2)

        async def change_twice(action: str, form: dict[str, str]) -> None:
            for _ in range(2):
                answer = await site.visitor(ALICE).post(f"{HERE}/{action}", form)
                assert (answer.status_code, answer.headers.get("location")) == (303, HERE), action
                site.now += 1_000

        assert f'name="app" value="{first}"' in (await site.visitor(ALICE).get(HERE)).text
        await change_twice("back", {"app": first})
        assert worker(site) == first
        stale = await site.visitor(ALICE).post(f"{HERE}/back", {"app": "bcdfghjkmnpq"})
        assert stale.status_code == 409
        await change_twice("notice", {"notice": "hour"})
        await change_twice("switch", {"app": second})
        (announced,) = (await site.services.site_hosting.standing(NAME, site.now)).announced
        await change_twice("withdraw", {"announced_at": str(announced.at)})
        await change_twice("delete", {})
        kinds = [event.kind for event in await site.services.sites.events(NAME, 10**15, 20)]
        assert kinds == [
            "deletion",
            "withdrawal",
            "switch",
            "notice",
            "return",
            "version",
            "version",
            "creation",
        ]

    in_site(work)


@pytest.mark.parametrize(
    ("path", "form", "back"),
    [
        ("/apps", {"repository": "alice/hello & more"}, "/apps?repository=alice%2Fhello+%26+more"),
        ("/sites", {"name": "my-site", "repository": ""}, "/sites?name=my-site"),
        ("/apps/bcdfghjkmnpq/retry", {}, "/apps/bcdfghjkmnpq"),
        ("/sites/my-site/notice", {"notice": "day"}, "/sites/my-site"),
    ],
)
def test_who_has_lost_the_session_comes_back_with_what_was_typed(
    tmp_path: Path, path: str, form: dict[str, str], back: str
) -> None:
    async def work(site: Site, github: GitHub) -> None:
        lost = await site.visitor().post(path, form)
        assert (lost.status_code, lost.headers["location"]) == (303, f"/login/github?next={quote(back)}")
        # Forms lead to the login, too, and browsers hold them to the policy on the way.
        assert f" {GITHUB};" in lost.headers["content-security-policy"]
        visitor, location = await log_in(site, github, "alice", lost.headers["location"])
        assert unquote(location) == unquote(back)
        page = await visitor.get(location)
        for typed in form.values() if path.count("/") == 1 else ():
            assert f'value="{typed.replace("&", "&amp;")}"' in page.text

    with_github(tmp_path, work)


def test_an_address_is_come_back_to_whole_and_one_that_no_cookie_holds_is_not(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        asked = await site.visitor().get("/sites?app=bcdfghjkmnpq")
        assert asked.headers["location"] == f"/login/github?next={quote('/sites?app=bcdfghjkmnpq')}"
        long = await site.visitor().post("/apps", {"repository": "/" * 1_900})
        assert (await log_in(site, github, "alice", long.headers["location"]))[1] == "/apps"

    with_github(tmp_path, work)
