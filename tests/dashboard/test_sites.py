"""Sites from outside: their pages, what their objects are told, and what stays of them."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from hosting.site_making import new_site
from ledger import LEASE_MS, Lease
from local.github.server import GitHub
from model.app import Source, new_id
from model.limits import HOUR_MS
from model.site import NOTICES, VERSIONS_KEPT, WITHDRAW_MS, SiteError
from model.site_names import RESERVED, is_site_name, refusal_of
from store.deploys import ForSite
from store.sites import EVENTS_PER_DAY, LEASES_OVER_MS
from tests.dashboard.dashboard_site import ALICE, BOB, GITHUB, UNLIMITED, VARIABLES, Site, signed
from tests.dashboard.shop import Shop
from tests.dashboard.test_checks import APP as ATTESTED
from tests.dashboard.test_checks import Attested
from tests.dashboard.turns import Actor, take_turns
from tests.dashboard.with_github import commit, git, with_github

NAME = "example"
HERE = f"/sites/{NAME}"
REPOSITORY = VARIABLES["GITHUB_REPOSITORY"]


def app_id_of(number: int) -> str:
    return "bcdf" + "".join("ghjkmnpq"[int(digit)] for digit in f"{number:08o}")


async def make_site(site: Site, notice: str = "none", name: str = NAME) -> None:
    """A site that has no version yet."""
    await site.log_in(ALICE)
    made = new_site(
        name, ALICE, Source("alice/hello", "main", "0" * 40, ""), "main", NOTICES[notice], site.now
    )
    assert await site.services.sites.create(made, 100)


async def add_version(site: Site, number: int, name: str = NAME) -> str:
    """Begin a deploy for a site, and have it succeed; return the app's id."""
    app_id = app_id_of(number)
    source = Source("alice/hello", "main", f"{number:040x}", "")
    deploys = site.services.deploys
    assert await deploys.begin(app_id, ALICE, source, site.now, UNLIMITED, ForSite(name, ALICE))
    await end_deploy(site, app_id, number)
    return app_id


async def end_deploy(site: Site, app_id: str, run_id: int = 7, conclusion: str = "success") -> None:
    """What GitHub tells of the end of a run."""
    app = await site.app(app_id)
    run = {
        "id": app.run_id or run_id,
        "run_attempt": 1,
        "event": "workflow_dispatch",
        "display_title": f"Deploy {app_id}",
        "status": "completed",
        "conclusion": conclusion,
        "path": ".github/workflows/deploy-worker.yml",
    }
    body, headers = signed({"repository": {"full_name": REPOSITORY}, "workflow_run": run})
    headers |= {"x-github-event": "workflow_run"}
    response = await site.visitor().ask("POST", "/webhooks/github", headers, body)
    assert response.status_code == 204, response.text
    site.now += 1_000  # as clocks do


def worker(site: Site, name: str = NAME) -> str | None:
    """Which Worker a lease that is taken now names."""
    lease = site.billing.getByName(name)._ledger.take_lease(site.now, 1)
    assert isinstance(lease, Lease), lease
    return lease.worker


async def history(site: Site) -> dict[str, Any]:
    response = await site.visitor().get(f"{HERE}/history.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def in_site(work: Callable[[Site], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        await work(Site(**options))

    asyncio.run(run())


async def owner_posts(site: Site, action: str, form: dict[str, str] | None = None) -> httpx.Response:
    response = await site.visitor(ALICE).post(f"{HERE}/{action}", form)
    assert response.status_code == 303, response.text
    site.now += 1_000
    return response


def test_from_a_branch_to_a_site_that_is_announced_switched_and_goes_back(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        form = {"name": NAME, "repository": f"{GITHUB}/alice/hello/tree/main", "notice": "hour"}
        created = await site.visitor(ALICE).post("/sites", form)
        assert (created.status_code, created.headers["location"]) == (303, HERE)
        # Nobody else sees it before it serves.
        assert (await site.visitor(BOB).get(HERE)).status_code == 404
        assert (await site.visitor().get(f"{HERE}/history.json")).status_code == 404
        first = await waiting(site)
        await end_deploy(site, first)
        assert worker(site) == first
        page = (await site.visitor().get(HERE)).text
        assert "https://example.apps.example/" in page
        assert first in page
        # The next one is announced, and everybody sees when it serves and what changes.
        before = git(tmp_path / "hello", "rev-parse", "main")
        commit(tmp_path / "hello", "next")
        after = git(tmp_path / "hello", "rev-parse", "main")
        await owner_posts(site, "deploy")
        second = await waiting(site)
        assert (await site.app(second)).source.commit_hash == after
        await end_deploy(site, second)
        page = (await site.visitor().get(HERE)).text
        assert f"{GITHUB}/alice/hello/compare/{before}...{after}" in page
        told = await history(site)
        assert told["serving"]["appId"] == first
        assert [one["appId"] for one in told["announced"]] == [second]
        assert worker(site) == first
        (announced,) = (await site.services.site_hosting.standing(NAME, site.now)).announced
        assert announced.serves_from == announced.at + HOUR_MS
        site.now = announced.serves_from - 1
        assert worker(site) == first
        site.now += 1
        assert worker(site) == second
        assert (await history(site))["serving"]["commit"] == after
        # And back at once; the page says until when some may get the other one.
        await owner_posts(site, "back")
        assert worker(site) == first
        assert "Some visitors may get the version before until" in (await site.visitor().get(HERE)).text
        site.now += LEASE_MS
        assert "Some visitors may get" not in (await site.visitor().get(HERE)).text
        kinds = [event["kind"] for event in (await history(site))["history"]]
        assert kinds == ["return", "version", "version", "creation"]
        assert {event["by"] for event in (await history(site))["history"]} == {"alice"}

    with_github(tmp_path, work)


async def waiting(site: Site) -> str:
    found = await site.services.site_versions.on_its_way(NAME)
    assert found is not None
    return found.app_id


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ab", "3 to 40 characters"),
        ("a" * 41, "3 to 40 characters"),
        ("Example", "a to z"),
        ("-abc", "a to z"),
        ("abc-", "a to z"),
        ("a_b", "a to z"),
        ("bücher", "a to z"),
        ("xn--bcher-kva", "two hyphens"),
        ("bcdfghjkmnpq", "an app's id"),
        ("www", "reserved"),
        ("healthz", "reserved"),
        ("log-in", "reserved"),
        ("dashb0ard", "reserved"),
        ("codius-help", "reserved"),
    ],
)
def test_a_name_that_no_site_can_have_is_refused_while_it_is_typed(name: str, why: str) -> None:
    async def work(site: Site) -> None:
        page = await site.visitor(ALICE).get(f"/sites?name={name}")
        assert why in re.sub("&#39;", "'", page.text)
        form = {"name": name, "repository": "alice/hello", "notice": "none"}
        refused = await site.visitor(ALICE).post("/sites", form)
        assert refused.status_code == 422
        assert await site.services.sites.get(name) is None

    in_site(work)


def test_the_installations_own_host_is_no_sites_name() -> None:
    assert refusal_of("console-1", "apps.example", "https://console-1.apps.example") is not None
    assert refusal_of("console-1", "apps.example", "https://apps.example") is None
    assert refusal_of("other", "localhost:8787", "http://localhost:8787") is None
    assert all(refusal_of(name, "apps.example", "https://d.example") for name in RESERVED)


def test_no_id_of_an_app_can_be_a_sites_name() -> None:
    for _ in range(1_000):
        assert not is_site_name(new_id(random.choice))


def test_a_name_has_one_owner_for_ever() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        await add_version(site, 1)
        await owner_posts(site, "delete")
        for user in (ALICE, BOB):
            page = await site.visitor(user).get(f"/sites?name={NAME}")
            assert "Somebody has this name already." in page.text
            made = new_site(NAME, user, Source("bob/x", "main", "0" * 40, ""), "main", 0, site.now)
            assert not await site.services.sites.create(made, 100)
        # It serves no more, and what it was stays to be read.
        assert site.billing.getByName(NAME)._ledger.take_lease(site.now, 1) == "closed"
        told = await history(site)
        assert told["deletedAt"] is not None
        assert told["history"][0]["kind"] == "deletion"
        assert "This site was deleted" in (await site.visitor().get(HERE)).text
        refused = await site.visitor(ALICE).post(f"{HERE}/back")
        assert refused.status_code == 409

    in_site(work)


def test_a_name_that_has_an_account_is_taken(tmp_path: Path) -> None:
    """An operator uploaded a Worker of this name by hand."""

    async def work(site: Site, github: GitHub) -> None:
        await site.services.billing.open_account(NAME)
        form = {"name": NAME, "repository": "alice/hello", "notice": "none"}
        refused = await site.visitor(ALICE).post("/sites", form)
        assert "Somebody has this name already." in refused.text

    with_github(tmp_path, work)


def test_a_user_has_so_many_sites_deleted_ones_included() -> None:
    async def work(site: Site) -> None:
        await site.log_in(ALICE)
        source = Source("alice/hello", "main", "0" * 40, "")
        for number in range(4):
            made = new_site(f"site-{number}", ALICE, source, "main", 0, site.now)
            assert await site.services.sites.create(made, 3) is (number < 3)
            await site.services.site_hosting.delete("site-0", ALICE, site.now) if number == 2 else None

    in_site(work)


def test_an_app_is_given_a_name(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        commit_hash = git(tmp_path / "hello", "rev-parse", "v1")
        app = await site.deployed_app(app_id_of(1), ALICE, Source("alice/hello", "v1", commit_hash, "api"))
        page = (await site.visitor(ALICE).get(f"/apps/{app.id}")).text
        assert f"/sites?app={app.id}" in page
        assert app.id in (await site.visitor(ALICE).get(f"/sites?app={app.id}")).text
        form = {"name": NAME, "app": app.id, "notice": "day"}
        assert "You have no such app." in (await site.visitor(BOB).post("/sites", form)).text
        assert (await site.visitor(ALICE).post("/sites", form)).status_code == 303
        assert worker(site) == app.id
        found = await site.services.sites.get(NAME)
        assert found is not None
        assert (found.branch, found.directory) == ("main", "api")

    with_github(tmp_path, work)


def test_only_its_owner_changes_a_site_and_only_from_its_pages() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        first, second = await add_version(site, 1), await add_version(site, 2)
        before = await site.services.sites.events(NAME, 10**15, 100)
        actions = {
            "deploy": {},
            "switch": {"app": first},
            "back": {},
            "withdraw": {"announced_at": "1"},
            "notice": {"notice": "day"},
            "delete": {},
        }
        for action, form in actions.items():
            assert (await site.visitor(BOB).post(f"{HERE}/{action}", form)).status_code == 403
            assert (await site.visitor().post(f"{HERE}/{action}", form)).status_code == 303  # to log in
            assert (await site.visitor(ALICE).post(f"{HERE}/{action}", form, headers={})).status_code == 403
        assert await site.services.sites.events(NAME, 10**15, 100) == before
        assert worker(site) == second

    in_site(work)


def test_a_failed_deploy_changes_nothing() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        first = await add_version(site, 1)
        failing = app_id_of(2)
        source = Source("alice/hello", "main", "b" * 40, "")
        for_site = ForSite(NAME, ALICE)
        assert await site.services.deploys.begin(failing, ALICE, source, site.now, UNLIMITED, for_site)
        # Only one is on its way at a time.
        other = replace(source, commit_hash="c" * 40)
        assert not await site.services.deploys.begin(
            app_id_of(3), ALICE, other, site.now, UNLIMITED, for_site
        )
        await end_deploy(site, failing, conclusion="failure")
        assert await site.services.site_versions.on_its_way(NAME) is None
        assert worker(site) == first
        assert [event["kind"] for event in (await history(site))["history"]] == ["version", "creation"]

    in_site(work)


def test_what_is_announced_can_be_withdrawn_and_a_shorter_notice_waits_for_the_longer() -> None:
    async def work(site: Site) -> None:
        await make_site(site, "week")
        first, second = await add_version(site, 1), await add_version(site, 2)
        (announced,) = (await site.services.site_hosting.standing(NAME, site.now)).announced
        await owner_posts(site, "withdraw", {"announced_at": str(announced.at)})
        site.now += NOTICES["week"]
        assert worker(site) == first
        assert (await site.visitor(ALICE).post(f"{HERE}/withdraw", {"announced_at": "1"})).status_code == 409
        await owner_posts(site, "notice", {"notice": "none"})
        found = await site.services.sites.get(NAME)
        assert found is not None
        assert found.held_until == found.changed_at + NOTICES["week"]
        assert "nothing new serves before" in (await site.visitor().get(HERE)).text
        await owner_posts(site, "switch", {"app": second})
        site.now = found.held_until - 1
        assert worker(site) == first
        site.now += 1
        assert worker(site) == second

    in_site(work)


def test_an_app_that_a_site_serves_can_not_be_deleted() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        first, second = await add_version(site, 1), await add_version(site, 2)
        refused = await site.visitor(ALICE).post(f"/apps/{second}/delete")
        assert refused.status_code == 409
        assert "A site serves this app" in refused.text
        site.now += LEASES_OVER_MS
        await site.services.apps.mark_deleted(first, site.now)
        assert (await site.app(first)).status == "deleted"
        refused = await site.visitor(ALICE).post(f"{HERE}/back")
        assert refused.status_code == 409
        assert worker(site) == second

    in_site(work)


def test_ten_versions_stay_ready_and_older_ones_are_removed_but_not_what_was_paid_for() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        versions = []
        for number in range(1, VERSIONS_KEPT + 4):
            site.now += 1_000
            versions.append(await add_version(site, number))
            if number == 2:
                await site.services.payments.add_open("cs_test_1", versions[1], site.now)
                await site.services.payments.mark("cs_test_1", "processing")
        deleted = [app_id for app_id in versions if (await site.app(app_id)).status == "deleted"]
        assert deleted == [versions[0], versions[2]]
        told = await history(site)
        assert told["versions"] == len(versions)
        assert {one["appId"] for one in told["history"] if "appId" in one} == set(versions)

    in_site(work)


def test_an_object_that_could_not_be_told_is_told_later() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        first = await add_version(site, 1)
        second = app_id_of(2)
        source = Source("alice/hello", "main", "b" * 40, "")
        await site.services.deploys.begin(second, ALICE, source, site.now, UNLIMITED, ForSite(NAME, ALICE))
        await site.services.billing.open_account(second)
        await site.database.execute(
            "UPDATE apps SET status = 'deployed', deployed_at = 1, run_ended = 1 WHERE id = ?", second
        )
        site.billing.is_down = True
        failures: list[tuple[str, Exception]] = []
        await site.services.upkeep._finish_sites(site.now, lambda *failure: failures.append(failure))
        site.billing.is_down = False
        assert worker(site) == first
        assert "is on its way to where requests are served" in (await site.visitor().get(HERE)).text
        site.now += 200_000
        await site.services.upkeep._finish_sites(site.now, lambda *failure: failures.append(failure))
        assert failures == []
        assert worker(site) == second

    in_site(work)


def test_what_is_paid_for_a_site_is_the_sites_and_outlives_its_versions(tmp_path: Path) -> None:
    async def run() -> None:
        shop = Shop(tmp_path)
        site = shop.site
        await make_site(site)
        first = await add_version(site, 1)
        session = await shop.begin(BOB, HERE)
        shop.stripe.pay(session, settles_later=False)
        page = (await shop.success(session)).text
        assert f"Added $5.00 to {NAME}" in page
        assert f'href="{HERE}"' in page
        await add_version(site, 2)
        account = await site.services.billing.account(NAME)
        assert account is not None
        assert account.funding_cents == 500
        of_app = await site.services.billing.account(first)
        assert of_app is not None
        assert of_app.funding_cents == 0
        assert "$5.00" in (await site.visitor().get(HERE)).text
        assert "There are no payments yet." in (await site.visitor().get(f"/apps/{first}")).text
        assert f'href="{HERE}"' in (await site.visitor(BOB).get("/payments")).text
        # What comes after its deletion is listed for refund.
        late = await shop.begin(BOB, HERE, cents=700)
        await owner_posts(site, "delete")
        assert (await site.visitor(BOB).post(f"{HERE}/top-up")).status_code == 409
        shop.stripe.pay(late, settles_later=False)
        assert "will be refunded" in (await shop.success(late)).text
        (refund,) = await site.services.payments.to_refund(0, 10)
        assert (refund.account, refund.refund_reason) == (NAME, "deleted")

    asyncio.run(run())


def test_a_site_without_requests_left_sends_visitors_to_its_page() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        await add_version(site, 1)
        site.billing.getByName(NAME).use(100)
        moved = await site.visitor().get(f"/apps/{NAME}/402?next=%2Fdeep%3Fa")
        assert moved.headers["location"] == f"{HERE}/402?next=%2Fdeep%3Fa"
        assert (await site.visitor().get(f"/apps/{NAME}")).headers["location"] == HERE
        assert (await site.visitor().get("/apps/no-such-site")).status_code == 404
        page = await site.visitor().get(f"{HERE}/402")
        assert "Insufficient balance" in page.text
        assert f'action="{HERE}/top-up"' in page.text

    in_site(work)


def test_a_person_can_not_change_a_site_without_end() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        await add_version(site, 1)
        await add_version(site, 2)
        hosting = site.services.site_hosting
        for _ in range(EVENTS_PER_DAY - 3):
            await hosting.go_back(NAME, ALICE, site.now)
            site.now += 1
        with pytest.raises(SiteError, match="too many changes"):
            await hosting.go_back(NAME, ALICE, site.now)
        assert len(await site.services.sites.events(NAME, 10**15, 1_000)) == EVENTS_PER_DAY
        await hosting.delete(NAME, ALICE, site.now)

    in_site(work)


def test_what_a_site_publishes_is_its_versions_document_and_what_it_says_of_itself(tmp_path: Path) -> None:
    async def run() -> None:
        world = Attested(tmp_path)
        await world.deploy()
        site = world.site
        await make_site(site, "hour")
        found = await site.services.sites.get(NAME)
        assert found is not None
        path = f"/apps/{NAME}/attestation.json"
        assert (await site.visitor().get(path)).status_code == 404
        await site.services.site_hosting.take(found, await site.app(ATTESTED), ALICE, site.now)
        site.now += 1
        of_app = await site.visitor().get(f"/apps/{ATTESTED}/attestation.json")
        of_site = await site.visitor().get(path)
        assert of_site.headers["cache-control"] == of_app.headers["cache-control"] == "public, max-age=60"
        document = of_site.json()
        part = document.pop("site")
        assert document == of_app.json()
        assert (part["name"], part["next"], part["versions"]) == (NAME, None, 1)
        assert part["notice"] == {"seconds": 3_600, "heldUntil": None}
        assert part["history"].endswith(f"{HERE}/history.json")
        # It says what comes next, and nothing is kept beyond that.
        second = await add_version(site, 2)
        (announced,) = (await site.services.site_hosting.standing(NAME, site.now)).announced
        site.now = announced.serves_from - 10_000
        await site.visitor().get(path)
        told = await site.visitor().get(path)
        assert told.json()["site"]["next"]["appId"] == second
        assert told.headers["cache-control"] == "public, max-age=10"

    asyncio.run(run())


@pytest.mark.parametrize(("before", "is_possible"), [(WITHDRAW_MS + 1, True), (WITHDRAW_MS - 1, False)])
def test_what_is_about_to_serve_is_not_withdrawn(before: int, is_possible: bool) -> None:
    async def work(site: Site) -> None:
        await make_site(site, "hour")
        await add_version(site, 1)
        second = await add_version(site, 2)
        (announced,) = (await site.services.site_hosting.standing(NAME, site.now)).announced
        site.now = announced.serves_from - before
        response = await site.visitor(ALICE).post(f"{HERE}/withdraw", {"announced_at": str(announced.at)})
        assert response.status_code == (303 if is_possible else 409)
        site.now = announced.serves_from
        assert (worker(site) == second) is not is_possible

    in_site(work)


# It looks for the version, the site and what is in force, and writes the event.
UNTIL_DECIDED = 4


@pytest.mark.parametrize("steps", range(12))
def test_whoever_tells_the_object_knows_of_no_event_that_came_meanwhile(steps: int) -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        await add_version(site, 1)
        second = await add_version(site, 2)
        take_turns(site)
        hosting = site.services.site_hosting
        slow = Actor(hosting.go_back(NAME, ALICE, site.now))
        for _ in range(steps):
            await slow.step()
        site.now += 1
        quick = Actor(hosting.switch(NAME, second, ALICE, site.now))
        for _ in range(UNTIL_DECIDED):
            await quick.step()
        await slow.finish()
        await quick.die()
        site.now += 1
        await site.services.upkeep._finish_sites(site.now, lambda *_: None)
        current = (await hosting.standing(NAME, site.now)).current
        assert current is not None
        assert worker(site) == current.app_id

    in_site(work)


def test_the_list_of_sites_says_what_each_is_doing() -> None:
    async def work(site: Site) -> None:
        states = ("no version yet", "serving", "serving nothing", "deleted")
        for number, state in enumerate(states):
            name = f"site-{number}"
            await make_site(site, name=name)
            app_id = None if state == "no version yet" else await add_version(site, number, name)
            if state == "serving nothing":
                await site.services.apps.mark_missing(str(app_id), site.now)
            elif state == "deleted":
                await site.services.site_hosting.delete(name, ALICE, site.now)
        page = (await site.visitor(ALICE).get("/sites")).text
        for number, state in enumerate(states):
            row = page.partition(f'href="/sites/site-{number}"')[2].partition("</tr>")[0]
            assert f">{state}</span>" in row
            assert f">{state}</span>" in (await site.visitor(ALICE).get(f"/sites/site-{number}")).text
        # What a name is checked for while it is typed needs none of that.
        polled = await site.visitor(ALICE).get("/sites?name=other", {"hx-request": "true"})
        assert "is free." in polled.text
        assert "site-1" not in polled.text

    in_site(work)
