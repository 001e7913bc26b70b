"""Sites that follow their branch, over real git repositories."""

from __future__ import annotations

import asyncio
import copy
import html
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import httpx

from hosting.following import LOOK_MS, PAUSE_MS
from local.github.repositories import Repository
from local.github.server import GitHub
from tests.dashboard.dashboard_site import ALICE, BOB, GITHUB, SECRETS, Site, signed
from tests.dashboard.one_branch import Branch, github
from tests.dashboard.test_sites import HERE, NAME, end_deploy, make_site, owner_posts, waiting, worker
from tests.dashboard.turns import Actor, take_turns
from tests.dashboard.with_github import commit, git, with_github
from tests.github_description import EXAMPLES


async def followed_site(site: Site) -> str:
    """A site of alice's that follows the branch main and serves its newest commit; return the app's id."""
    form = {"name": NAME, "repository": f"{GITHUB}/alice/hello/tree/main", "notice": "none"}
    assert (await site.visitor(ALICE).post("/sites", form)).status_code == 303
    first = await waiting(site)
    await end_deploy(site, first)
    await owner_posts(site, "follow", {"follows": "yes"})
    await look(site)
    assert await site.services.site_versions.on_its_way(NAME) is None
    return first


async def followed_branch() -> tuple[Site, Branch]:
    """The same of a branch that has a new commit whenever a test says so."""
    branch = Branch()
    site = Site({GITHUB: github(branch)})
    await make_site(site)
    await owner_posts(site, "follow", {"follows": "yes"})
    await look(site)
    await deployed_commit(site)
    return site, branch


async def look(site: Site) -> None:
    """What the cron trigger does, a while later."""
    site.now += LOOK_MS + PAUSE_MS
    await site.services.upkeep._follow_branches(site.now, lambda subject, error: None)


async def deployed_commit(site: Site) -> str:
    """The commit of the version that is on its way, which then serves."""
    app_id = await waiting(site)
    await end_deploy(site, app_id)
    assert worker(site) == app_id
    return (await site.app(app_id)).source.commit_hash


def test_a_new_commit_becomes_the_next_version_and_asking_in_vain_costs_nothing(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        await followed_site(site)
        before = len(site.asked)
        await look(site)
        assert site.asked[before:] == [f"GET {GITHUB}/api/v3/repos/alice/hello/commits/heads%2Fmain"]
        commit(tmp_path / "hello", "next")
        await look(site)
        assert await deployed_commit(site) == git(tmp_path / "hello", "rev-parse", "main")
        events = await site.services.sites.events(NAME, 10**15, 1)
        assert (events[0].kind, events[0].login) == ("version", None)
        assert "a push" in (await site.visitor().get(HERE)).text
        await owner_posts(site, "follow", {"follows": "no"})
        commit(tmp_path / "hello", "not followed")
        await look(site)
        assert await site.services.site_versions.on_its_way(NAME) is None

    with_github(tmp_path, work)


def test_several_commits_during_a_deploy_become_one_more_deploy(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        await followed_site(site)
        folder = tmp_path / "hello"
        commit(folder, "second version")
        second = git(folder, "rev-parse", "main")
        await look(site)
        for message in ("third version", "fourth version", "fifth version"):
            commit(folder, message)
            await site.services.following.hear(NAME, site.now)
            await look(site)
        assert await deployed_commit(site) == second
        # Its end begins the next one at once.
        assert await deployed_commit(site) == git(folder, "rev-parse", "main")
        assert await site.services.site_versions.on_its_way(NAME) is None
        assert await site.services.site_versions.count(NAME) == 3

    with_github(tmp_path, work)


def test_what_fails_or_holds_no_worker_is_not_tried_again(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        first = await followed_site(site)
        commit(tmp_path / "hello", "broken")
        await look(site)
        await end_deploy(site, await waiting(site), conclusion="failure")
        await look(site)
        assert await site.services.site_versions.on_its_way(NAME) is None
        assert worker(site) == first
        # A commit without a Worker is nothing to deploy.
        (tmp_path / "hello" / "wrangler.toml").unlink()
        commit(tmp_path / "hello", "without a config")
        await look(site)
        found = await site.services.sites.get(NAME)
        assert found is not None
        assert found.wanted_at is None

    with_github(tmp_path, work)


def test_a_look_that_dies_at_any_step_loses_no_commit() -> None:
    async def work(deaths_step: int) -> bool:
        """Return whether it had ended before."""
        site, branch = await followed_branch()
        branch.pushes += 1
        take_turns(site)
        actor = Actor(look(site))
        for _ in range(deaths_step):
            await actor.step()
        await actor.settle()
        has_ended = actor.is_done
        await actor.die()
        await look(site)
        assert await deployed_commit(site) == branch.head
        return has_ended

    steps = 0
    while not asyncio.run(work(steps)):
        steps += 1
    assert steps > 10


async def secret(site: Site) -> str:
    """The secret of the site's webhook, which its owner is shown once."""
    response = await site.visitor(ALICE).post(f"{HERE}/webhook")
    assert response.status_code == 200
    assert f"{HERE}/webhooks/github" in response.text
    found = re.search(r"Secret: <code>([0-9a-f]{64})</code>", html.unescape(response.text))
    assert found is not None
    assert found[1] not in (await site.visitor(ALICE).get(HERE)).text
    return found[1]


def push(full_name: str = "Alice/Hello") -> dict[str, Any]:
    """GitHub's own example of the event, of a repository of ours and its branch."""
    example = next(one for one in json.loads(EXAMPLES.read_text()) if one["name"] == "push")["examples"][0]
    payload: dict[str, Any] = copy.deepcopy(example)
    payload |= {"ref": "refs/heads/main", "deleted": False}
    payload["repository"]["full_name"] = full_name
    payload["repository"]["id"] = Repository(full_name, Path()).id
    return payload


async def deliver(site: Site, payload: Any, key: str, event: str = "push") -> httpx.Response:
    body, headers = signed(payload, key)
    headers |= {"x-github-event": event}
    return await site.visitor().ask("POST", f"{HERE}/webhooks/github", headers, body)


def test_a_push_deploys_the_newest_commit_however_often_github_tells_of_it(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        await followed_site(site)
        await owner_posts(site, "follow", {"follows": "no"})
        key = await secret(site)
        commit(tmp_path / "hello", "pushed")
        assert (await deliver(site, push(), key)).status_code == 204
        newest = git(tmp_path / "hello", "rev-parse", "main")
        assert (await deliver(site, push(), key)).status_code == 204
        assert await deployed_commit(site) == newest
        # Told twice while it was deployed, and once more, late.
        assert (await deliver(site, push(), key)).status_code == 204
        assert await site.services.site_versions.on_its_way(NAME) is None
        assert await site.services.site_versions.count(NAME) == 2

    with_github(tmp_path, work)


def test_only_signed_pushes_of_the_sites_own_branch_count(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        await followed_site(site)
        key = await secret(site)
        commit(tmp_path / "hello", "pushed")
        other = push()
        other["repository"] |= {"full_name": "alice/other", "id": push("alice/other")["repository"]["id"]}
        for payload in (
            push() | {"ref": "refs/heads/other"},
            push() | {"ref": "refs/tags/main"},
            push() | {"deleted": True},
            other,
            {},
            [],
        ):
            assert (await deliver(site, payload, key)).status_code == 204
        assert (await deliver(site, push(), key, event="ping")).status_code == 204
        assert (await deliver(site, "payload=1", key)).status_code == 400
        for forged in ("", "0" * 64, SECRETS["GITHUB_WEBHOOK_SECRET"]):
            assert (await deliver(site, push(), forged)).status_code == 401
        newer = await secret(site)
        assert (await deliver(site, push(), key)).status_code == 401
        assert (await deliver(site, "x" * 1_000_001, newer)).status_code == 413
        assert (await site.visitor(BOB).post(f"{HERE}/webhook")).status_code == 403
        await make_site(site, name="other-site")
        body, headers = signed(push(), newer)
        elsewhere = await site.visitor().ask("POST", "/sites/other-site/webhooks/github", headers, body)
        assert elsewhere.status_code == 401
        assert await site.services.site_versions.on_its_way(NAME) is None
        assert (await deliver(site, push(), newer)).status_code == 204
        assert await site.services.site_versions.on_its_way(NAME) is not None

    with_github(tmp_path, work)


def test_a_repository_that_was_renamed_is_followed_and_one_that_took_its_name_is_not() -> None:
    async def work() -> None:
        site, branch = await followed_branch()
        key = await secret(site)

        # GitHub leads from the name before to the new one.
        branch.full_name, branch.pushes = "alice/renamed", 1
        branch.names = ("alice/hello", "alice/renamed")
        renamed = push("alice/renamed")
        renamed["repository"]["id"] = branch.id
        assert (await deliver(site, renamed, key)).status_code == 204
        assert await deployed_commit(site) == branch.head
        assert "alice/renamed, branch main" in (await site.visitor().get(HERE)).text

        # Somebody else has taken the name.
        branch.id, branch.pushes = 2, 2
        await look(site)
        assert (await deliver(site, renamed, key)).status_code == 204
        assert (
            await deliver(site, renamed | {"repository": renamed["repository"] | {"id": 2}}, key)
        ).is_success
        assert await site.services.site_versions.on_its_way(NAME) is None
        response = await site.visitor(ALICE).post(f"{HERE}/deploy")
        assert "“alice/renamed” is another repository now" in html.unescape(response.text)

    asyncio.run(work())


def test_a_feed_tells_of_every_event(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        first = await followed_site(site)
        await owner_posts(site, "notice", {"notice": "day"})
        response = await site.visitor().get(f"{HERE}/feed.atom")
        assert response.headers["content-type"] == "application/atom+xml; charset=utf-8"
        feed = ElementTree.fromstring(response.text)  # noqa: S314 (our own)
        atom = "{http://www.w3.org/2005/Atom}"
        titles = [entry.findtext(f"{atom}title") for entry in feed.findall(f"{atom}entry")]
        assert titles == ["Notice: a day", f"New version {first}, at once", "Site made"]
        ids = {entry.findtext(f"{atom}id") for entry in feed.findall(f"{atom}entry")}
        assert len(ids) == 3

    with_github(tmp_path, work)
