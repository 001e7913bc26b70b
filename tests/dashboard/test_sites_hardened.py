"""Sites where something takes long, comes in an odd order, or is looked at by the wrong person."""

from __future__ import annotations

from dataclasses import replace

from hosting.site_making import new_site
from model.app import Source
from model.limits import DAY_MS
from model.site import NOTICES, Switch, standing_of
from model.suspension import Operator, Target
from store.deploys import ForSite
from tests.dashboard.dashboard_site import ALICE, GITHUB, UNLIMITED, Site
from tests.dashboard.one_branch import Branch, github
from tests.dashboard.test_sites import (
    HERE,
    NAME,
    add_version,
    app_id_of,
    history,
    in_site,
    make_site,
    owner_posts,
    worker,
)

BY = Operator("operator", 3)


def test_a_notice_begins_when_it_can_be_read_however_long_the_upkeep_took_before() -> None:
    async def work(site: Site) -> None:
        await make_site(site, "hour")
        await add_version(site, 1)
        began_at = site.now
        site.now += 400_000
        await add_version(site, 2)
        await site.services.site_hosting.change_notice(NAME, NOTICES["day"], ALICE, began_at)
        events = await site.services.sites.events(NAME, 10**15, 1)
        assert events[0].at >= began_at + 400_000

    in_site(work)


def test_the_version_before_is_kept_to_go_back_to_however_many_came_since() -> None:
    async def work(site: Site) -> None:
        await make_site(site, "week")
        first = await add_version(site, 1)
        for number in range(2, 13):
            await add_version(site, number)
            site.now += DAY_MS // 2
        site.now += 2 * DAY_MS
        for number in range(13, 16):
            await add_version(site, number)
            standing = await site.services.site_hosting.standing(NAME, site.now)
            assert standing.previous is not None
            assert (await site.app(standing.previous.app_id)).status == "deployed"
        assert worker(site) != first
        await owner_posts(site, "back")
        assert worker(site) == standing.previous.app_id

    in_site(work)


def test_a_version_that_leases_may_still_name_is_not_deleted() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        await add_version(site, 1)
        second = await add_version(site, 2)
        await owner_posts(site, "back")
        site.now += 60_000
        assert (await site.visitor(ALICE).post(f"/apps/{second}/delete")).status_code == 409
        site.now += 240_000
        await site.visitor(ALICE).post(f"/apps/{second}/delete")
        assert (await site.app(second)).status == "deleted"

    in_site(work)


def test_nothing_is_looked_up_for_a_suspended_site() -> None:
    async def work() -> None:
        branch = Branch()
        site = Site({GITHUB: github(branch)})
        await make_site(site)
        await add_version(site, 1)
        await site.services.suspending.suspend(Target("site", NAME), "Phishing.", BY, site.now)
        branch.pushes += 1
        site.asked.clear()
        response = await site.visitor(ALICE).post(f"{HERE}/deploy")
        assert response.status_code == 403
        assert "Phishing." in response.text
        assert "Deploy the Newest Commit" not in (await site.visitor(ALICE).get(HERE)).text
        await site.services.sites.want(NAME, site.now)
        for _ in range(5):
            site.now += 60_000
            await site.services.upkeep._follow_branches(site.now, lambda *_: None)
        assert not site.asked

    in_site(lambda _: work())


def test_of_versions_that_begin_together_only_the_last_ever_served() -> None:
    first, second, third = (Switch("a", 0, 0), Switch("b", 100, 10), Switch("c", 100, 20))
    assert standing_of([first, second, third], 100).previous == first
    late = replace(third, serves_from=101, at=101)
    assert standing_of([first, second, late], 101).previous == second


def test_strangers_see_a_version_when_it_is_announced() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        await add_version(site, 1)
        waiting = app_id_of(2)
        source = Source("alice/hello", "main", "b" * 40, "")
        for_site = ForSite(NAME, ALICE)
        assert await site.services.deploys.begin(waiting, ALICE, source, site.now, UNLIMITED, for_site)
        assert waiting in (await site.visitor(ALICE).get(HERE)).text
        assert waiting not in (await site.visitor().get(HERE)).text

    in_site(work)


def test_who_is_suspended_takes_no_name() -> None:
    async def work(site: Site) -> None:
        await site.log_in(ALICE)
        await site.deployed_app(app_id_of(1))
        await site.services.suspending.suspend(Target("user", str(ALICE.id)), "Spam.", BY, site.now)
        form = {"name": "other-site", "app": app_id_of(1), "notice": "none"}
        response = await site.visitor(ALICE).post("/sites", form)
        assert response.status_code == 403
        assert "Spam." in response.text
        assert await site.services.sites.get("other-site") is None

    in_site(work)


def test_a_deleted_site_serves_nothing() -> None:
    async def work(site: Site) -> None:
        await make_site(site, "hour")
        await add_version(site, 1)
        await add_version(site, 2)
        await owner_posts(site, "delete")
        document = await history(site)
        assert (document["serving"], document["announced"]) == (None, [])

    in_site(work)


def test_some_visitors_get_the_version_before_only_after_a_switch() -> None:
    async def work(site: Site) -> None:
        words = "Some visitors may get the version before"
        made = new_site(NAME, ALICE, Source("alice/hello", "main", "0" * 40, ""), "main", 0, site.now)
        await site.log_in(ALICE)
        assert await site.services.sites.create(made, 100)
        await add_version(site, 1)
        assert words not in (await site.visitor().get(HERE)).text
        await owner_posts(site, "notice", {"notice": "day"})
        await add_version(site, 2)
        assert words not in (await site.visitor().get(HERE)).text
        site.now += DAY_MS
        await owner_posts(site, "back")
        assert words in (await site.visitor().get(HERE)).text

    in_site(work)
