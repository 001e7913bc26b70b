"""The form that deploys: what each address means, and what it says when it can't be deployed."""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from local.github.server import GitHub
from model.app import Source
from tests.dashboard.dashboard_site import ALICE, GITHUB, Site
from tests.dashboard.with_github import git, with_github


def error_of(response: httpx.Response) -> str:
    """What the page says at the field."""
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.text
    found = re.search(r'<p id="repository-error"[^>]*>(.*?)</p>', response.text, re.DOTALL)
    assert found is not None
    return html.unescape(" ".join(re.sub("<[^>]*>", "", found[1]).split()))


async def submit(site: Site, address: str) -> httpx.Response:
    return await site.visitor(ALICE).post("/apps", {"repository": address})


async def deployed_source(site: Site, address: str) -> Source:
    response = await submit(site, address)
    assert response.status_code == 303, error_of(response)
    app = await site.app(response.headers["location"].removeprefix("/apps/"))
    assert app.status == "queued"
    return app.source


@pytest.mark.parametrize(
    ("path", "ref", "revision", "directory"),
    [
        ("", "main", "main", ""),
        ("/tree/main", "main", "main", ""),
        ("/tree/main/api", "main", "main", "api"),
        ("/tree/main/api/", "main", "main", "api"),
        ("/tree/feature/login", "feature/login", "feature/login", ""),
        ("/tree/feature/login/api", "feature/login", "feature/login", "api"),
        ("/tree/feature%2Flogin/api", "feature/login", "feature/login", "api"),
        ("/tree/feature/login-2/api", "feature/login-2", "main", "api"),
        ("/tree/v1/api", "v1", "v1", "api"),
        ("/tree/v1-annotated", "v1-annotated", "v1", ""),
    ],
)
def test_an_address_means_a_commit_and_a_directory(
    tmp_path: Path, path: str, ref: str, revision: str, directory: str
) -> None:
    async def work(site: Site, github: GitHub) -> None:
        commit = git(tmp_path / "hello", "rev-parse", revision)
        source = await deployed_source(site, f"{GITHUB}/alice/hello{path}")
        assert source == Source("alice/hello", ref, commit, directory)

    with_github(tmp_path, work)


@pytest.mark.parametrize("revision", ["v1", "main", "feature/login"])
@pytest.mark.parametrize("length", [40, 10])
def test_a_commit_of_a_branch_can_be_named_by_its_hash(tmp_path: Path, revision: str, length: int) -> None:
    async def work(site: Site, github: GitHub) -> None:
        commit = git(tmp_path / "hello", "rev-parse", revision)
        source = await deployed_source(site, f"{GITHUB}/alice/hello/tree/{commit[:length]}/api")
        assert source == Source("alice/hello", commit, commit, "api")

    with_github(tmp_path, work)


def test_a_commit_that_no_branch_has_may_be_a_forks_and_is_refused(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        commit = git(tmp_path / "hello", "rev-parse", "left-behind")
        message = error_of(await submit(site, f"{GITHUB}/alice/hello/tree/{commit}"))
        assert "It may be a fork's" in message
        # By its tag it is the repository's own.
        source = await deployed_source(site, f"{GITHUB}/alice/hello/tree/left-behind")
        assert source.commit_hash == commit

    with_github(tmp_path, work)


def test_a_repository_is_named_as_github_spells_it_now(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        github.endpoints.renamed["alice/old-name"] = "alice/hello"
        for number, name in enumerate(("ALICE/Hello", "alice/old-name")):
            directory = ("", "/tree/main/api")[number]
            source = await deployed_source(site, f"{GITHUB}/{name}{directory}")
            assert source.repository == "alice/hello"

    with_github(tmp_path, work)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "Enter the address of a repository"),
        ("hello", "not the address of a GitHub repository"),
        ("https://gitlab.com/alice/hello", "not the address of a GitHub repository"),
        (f"{GITHUB}/alice/nothing", "There is no public repository “alice/nothing”"),
        (f"{GITHUB}/alice/secret", "There is no public repository “alice/secret”"),
        (f"{GITHUB}/alice/empty", "is empty"),
        (f"{GITHUB}/alice/hello/tree/nothing", "has no branch, tag or commit “nothing”"),
        (f"{GITHUB}/alice/hello/tree/feature", "has no branch, tag or commit “feature”"),
        (f"{GITHUB}/alice/hello/tree/{'a' * 40}", "has no branch, tag or commit"),
        (f"{GITHUB}/alice/hello/tree/main/nothing", "There is no directory “nothing” in main"),
        (f"{GITHUB}/alice/hello/tree/main/index.js", "There is no directory “index.js” in main"),
        (f"{GITHUB}/alice/hello/tree/main/docs", "“docs” has no wrangler.toml"),
        (f"{GITHUB}/alice/hello/issues", "a page of a repository"),
        ("<script>alert(1)</script>", "not the address"),
    ],
)
def test_each_thing_that_can_be_wrong_is_said_at_the_field(tmp_path: Path, address: str, says: str) -> None:
    async def work(site: Site, github: GitHub) -> None:
        github.repositories.add("alice/secret", tmp_path / "hello", is_private=True)
        (tmp_path / "empty").mkdir()
        git(tmp_path / "empty", "init", "--quiet", "--initial-branch=main")
        github.repositories.add("alice/empty", tmp_path / "empty")
        before = site.database.dump()
        response = await submit(site, address)
        assert says in error_of(response)
        # What was typed is still there.
        assert f'value="{html.escape(address)}"'.replace("&#x27;", "&#39;") in response.text
        assert "<script>alert" not in response.text
        assert len(site.database.dump()) <= len(before) + 2  # the user and the session

    with_github(tmp_path, work)


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("unreachable", "GitHub could not be reached"),
        ("out of order", "GitHub answered with an error (502)"),
        ("rate limit", "rate limit"),
    ],
)
def test_trouble_with_github_is_said_at_the_field_and_leaves_nothing(
    tmp_path: Path, trouble: str, says: str
) -> None:
    async def work(site: Site, github: GitHub) -> None:
        if trouble == "unreachable":
            del site.servers[GITHUB]
        elif trouble == "out of order":
            github.rest.failure = 502
        else:
            github.rest.rate_limit.limits["app"] = 1
        assert says in error_of(await submit(site, f"{GITHUB}/alice/hello"))
        assert await site.services.apps.counts() == {}

    with_github(tmp_path, work)


def test_the_same_commit_again_leads_to_the_app_that_is_there(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        first = await submit(site, f"{GITHUB}/alice/hello")
        again = await submit(site, f"{GITHUB}/ALICE/hello/tree/main/")
        assert "already" in error_of(again)
        assert f'<a href="{first.headers["location"]}">' in again.text
        await deployed_source(site, f"{GITHUB}/alice/hello/tree/main/api")

    with_github(tmp_path, work)


def test_an_app_keeps_its_commit_when_its_branch_goes_on(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        before = await deployed_source(site, f"{GITHUB}/alice/hello")
        (tmp_path / "hello" / "more").write_text("more")
        git(tmp_path / "hello", "add", "--all")
        git(tmp_path / "hello", "commit", "--quiet", "--message", "more")
        github.repositories.add("alice/hello", tmp_path / "hello")
        after = await deployed_source(site, f"{GITHUB}/alice/hello")
        assert replace(after, commit_hash=before.commit_hash) == before
        assert after.commit_hash != before.commit_hash

    with_github(tmp_path, work)


def test_without_the_workflow_the_app_has_failed_and_says_so(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        shutil.rmtree(tmp_path / "checkout" / ".github" / "workflows")
        location = (await submit(site, f"{GITHUB}/alice/hello")).headers["location"]
        page = await site.visitor(ALICE).get(location)
        assert "GitHub did not start the deploy workflow" in html.unescape(page.text)
        assert "Try again" in page.text

    with_github(tmp_path, work)


def test_a_user_has_five_deploys_under_way_at_most(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        for number in range(5):
            await site.add_app(f"app{number}", source=Source("alice/other", "main", "a" * 40, f"d{number}"))
        assert "Wait until one is done" in error_of(await submit(site, f"{GITHUB}/alice/hello"))
        await site.services.apps.mark_deleted("app0", site.now)
        await deployed_source(site, f"{GITHUB}/alice/hello")

    with_github(tmp_path, work)
