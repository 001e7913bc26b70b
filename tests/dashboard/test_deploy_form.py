"""The form that deploys: what each address means, and what it says when it can't be deployed."""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from hosting.source import resolve
from local.github.server import GitHub
from model.app import Source
from tests.dashboard.dashboard_site import ALICE, GITHUB, Site
from tests.dashboard.with_github import commit, git, with_github


def error_of(response: httpx.Response) -> str:
    """What the page says at the field."""
    assert response.status_code in (422, 429)
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


ADDRESSES = [
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
    ("/tree/HEAD", "main", "main", ""),
    ("/tree/HEAD/api", "main", "main", "api"),
    ("/tree/refs/heads/feature/login/api", "feature/login", "feature/login", "api"),
    ("/tree/refs/tags/v1/api", "v1", "v1", "api"),
    ("/releases/tag/v1", "v1", "v1", ""),
    ("/blob/main/wrangler.toml", "main", "main", ""),
    ("/blob/main/api/wrangler.toml", "main", "main", "api"),
    ("/blob/main/api/index.js?plain=1#L1", "main", "main", "api"),
    ("/blob/feature/login/api/wrangler.toml", "feature/login", "feature/login", "api"),
]


def test_an_address_means_a_commit_and_a_directory(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        for path, ref, revision, directory in ADDRESSES:
            commit = git(tmp_path / "hello", "rev-parse", revision)
            found = await resolve(f"{GITHUB}/alice/hello{path}", GITHUB, site.services.repositories)
            assert found.source == Source("alice/hello", ref, commit, directory), path

    with_github(tmp_path, work)


@pytest.mark.parametrize("revision", ["v1", "main", "feature/login"])
@pytest.mark.parametrize("length", [40, 10])
def test_a_commit_of_a_branch_can_be_named_by_its_hash(tmp_path: Path, revision: str, length: int) -> None:
    async def work(site: Site, github: GitHub) -> None:
        commit = git(tmp_path / "hello", "rev-parse", revision)
        source = await deployed_source(site, f"{GITHUB}/alice/hello/tree/{commit[:length]}/api")
        assert source == Source("alice/hello", commit, commit, "api")

    with_github(tmp_path, work)


def test_a_repository_can_be_named_without_its_address(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        commit = git(tmp_path / "hello", "rev-parse", "main")
        assert await deployed_source(site, "alice/hello") == Source("alice/hello", "main", commit, "")
        assert (await submit(site, "git@github.example:Alice/hello.git")).status_code == 303
        assert sum((await site.services.sums.totals()).apps.values()) == 1

    with_github(tmp_path, work)


def test_a_branch_and_a_tag_of_one_name_are_told_apart(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        git(tmp_path / "hello", "branch", "v1", "main")
        github.repositories.add("alice/hello", tmp_path / "hello")
        for kind, revision in (("", "main"), ("refs/heads/", "main"), ("refs/tags/", "v1-annotated^{}")):
            address = f"{GITHUB}/alice/hello/tree/{kind}v1"
            source = (await resolve(address, GITHUB, site.services.repositories)).source
            assert source.commit_hash == git(tmp_path / "hello", "rev-parse", revision)

    with_github(tmp_path, work)


def test_the_page_of_a_commit_means_that_commit(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        commit = git(tmp_path / "hello", "rev-parse", "v1")
        source = await deployed_source(site, f"{GITHUB}/alice/hello/commit/{commit[:8]}")
        assert source == Source("alice/hello", commit, commit, "")
        stray = git(tmp_path / "hello", "rev-parse", "left-behind")
        assert "may be a fork's" in error_of(await submit(site, f"{GITHUB}/alice/hello/commit/{stray}"))

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


WRONG = [
    ("", "Enter the address of a repository"),
    ("hello", "not the address of a GitHub repository"),
    ("https://gitlab.com/alice/hello", "at gitlab.com; apps are deployed from the GitHub at"),
    ("https://github.com/alice/hello", f"at github.com; apps are deployed from the GitHub at {GITHUB}"),
    (f"{GITHUB}/alice/nothing", "There is no public repository “alice/nothing”"),
    (f"{GITHUB}/alice/secret", "There is no public repository “alice/secret”"),
    (f"{GITHUB}/alice/empty", "is empty"),
    (f"{GITHUB}/alice/empty/tree/main", "is empty"),
    (f"{GITHUB}/alice/empty/tree/HEAD/api", "is empty"),
    (f"{GITHUB}/alice/hello/tree/nothing", "has no branch, tag or commit “nothing”"),
    (f"{GITHUB}/alice/hello/tree/feature", "has no branch, tag or commit “feature”"),
    (f"{GITHUB}/alice/hello/tree/{'a' * 40}", "has no branch, tag or commit"),
    (f"{GITHUB}/alice/hello/tree/main/nothing", "There is no directory “nothing” in main"),
    (f"{GITHUB}/alice/hello/tree/main/index.js", "There is no directory “index.js” in main"),
    (f"{GITHUB}/alice/hello/tree/refs/heads/v1", "has no branch “v1”"),
    (f"{GITHUB}/alice/hello/releases/tag/main", "has no tag “main”"),
    (f"{GITHUB}/alice/hello/commit/{'a' * 40}", "has no commit"),
    (f"{GITHUB}/alice/hello/blob/main/api/nothing.js", "There is no file “api/nothing.js” in main"),
    (f"{GITHUB}/alice/hello/blob/main/docs/index.js", "“docs” has no wrangler.json"),
    (
        f"{GITHUB}/alice/hello/tree/main/docs",
        "“docs” has no wrangler.json, wrangler.jsonc or wrangler.toml",
    ),
    (f"{GITHUB}/alice/hello/issues", "a page of a repository"),
    ("<script>alert(1)</script>", "can't be the name of a GitHub repository"),
]


def test_each_thing_that_can_be_wrong_is_said_at_the_field(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        github.repositories.add("alice/secret", tmp_path / "hello", is_private=True)
        (tmp_path / "empty").mkdir()
        git(tmp_path / "empty", "init", "--quiet", "--initial-branch=main")
        github.repositories.add("alice/empty", tmp_path / "empty")
        await submit(site, "")
        before = site.database.dump()
        for address, says in WRONG:
            response = await submit(site, address)
            assert says in error_of(response), address
            # What was typed is still there.
            assert f'value="{html.escape(address)}"'.replace("&#x27;", "&#39;") in response.text
            assert "<script>alert" not in response.text
            assert len(site.database.dump()) <= len(before) + 1  # the count of look-ups

    with_github(tmp_path, work)


def choices_of(page: str) -> dict[str, str]:
    """The directories that the page offers, with the addresses that they stand for."""
    found = re.findall(r'<button class="quiet" name="repository" value="([^"]*)">([^<]*)</button>', page)
    return {html.unescape(directory): html.unescape(address) for address, directory in found}


def add_workers(github: GitHub, folder: Path, *directories: str) -> Path:
    """The repository alice/workers, with a Worker in each of these directories."""
    for directory in directories:
        (folder / directory).mkdir(parents=True)
        (folder / directory / "wrangler.jsonc").write_text("{}")
    (folder / "docs").mkdir(parents=True)
    (folder / "docs" / "readme").write_text("")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "first")
    git(folder, "tag", "v1")
    github.repositories.add("alice/workers", folder)
    return folder


ALL = ["api", "sites/a b#?", "sites/ü"]
CHOICES = [
    ("", "main", ALL),
    ("/tree/HEAD", "main", ALL),
    ("/tree/main/sites", "main", ["sites/a b#?", "sites/ü"]),
    ("/tree/main/docs", "main", ALL),
    ("/blob/main/docs/readme", "main", ALL),
    ("/tree/refs/tags/v1", "v1", ALL),
]


def test_a_repository_of_workers_in_directories_offers_them(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        folder = add_workers(github, tmp_path / "workers", *ALL, "node_modules/x", "api/node_modules/y")
        for page, ref, directories in CHOICES:
            site.asked.clear()
            response = await submit(site, f"{GITHUB}/alice/workers{page}")
            assert "it holds no Worker. These directories do:" in error_of(response)
            assert list(choices_of(response.text)) == directories
            assert len(site.asked) <= 7
            for directory, address in choices_of(response.text).items():
                source = (await resolve(address, GITHUB, site.services.repositories)).source
                commit_hash = git(folder, "rev-parse", ref)
                assert source == Source("alice/workers", ref, commit_hash, directory)
        source = await deployed_source(site, choices_of(response.text)["api"])
        assert source.directory == "api"

    with_github(tmp_path, work)


def test_only_so_many_directories_are_offered(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        add_workers(github, tmp_path / "workers", *(f"a{number:02}" for number in range(25)))
        for entries, shown, says in (
            (100_000, 20, "These directories do, and 5 others:"),
            (20, 10, "These directories do, and others:"),
            (1, 0, "GitHub lists only a part of so large a repository: name the Worker's directory."),
        ):
            github.endpoints.most_tree_entries = entries
            response = await submit(site, f"{GITHUB}/alice/workers")
            assert says in error_of(response)
            assert len(choices_of(response.text)) == shown

    with_github(tmp_path, work)


def test_where_nothing_can_be_offered_the_reason_is_said_all_the_same(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        add_workers(github, tmp_path / "workers")
        message = error_of(await submit(site, f"{GITHUB}/alice/workers"))
        assert message.endswith("no wrangler.json, wrangler.jsonc or wrangler.toml: it holds no Worker.")
        github.rest.rate_limit.limits["app"] = 2 * len(site.asked) - 1
        assert message == error_of(await submit(site, f"{GITHUB}/alice/workers"))

    with_github(tmp_path, work)


def test_a_config_of_another_program_is_told_with_what_to_do(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        folder = add_workers(github, tmp_path / "workers")
        (folder / "cloudflare.config.ts").write_text("export default {};")
        commit(folder, "second")
        message = error_of(await submit(site, f"{GITHUB}/alice/workers"))
        assert message.endswith("read by Cloudflare's cf alone: give it a config of wrangler's.")

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
        assert (await site.services.sums.totals()).apps == {}

    with_github(tmp_path, work)


def test_the_same_commit_again_leads_to_the_app_that_is_there(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        first = await submit(site, f"{GITHUB}/alice/hello")
        await site.database.execute("UPDATE apps SET status = 'failed', failure = 'x', created_at = 1")
        again = await submit(site, f"{GITHUB}/ALICE/hello/tree/main/")
        assert "whose deploy failed. Push a commit that mends it" in error_of(again)
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
        assert "Try Again" in page.text

    with_github(tmp_path, work)


def test_a_user_has_five_deploys_under_way_at_most(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        for number in range(5):
            await site.add_app(f"app{number}", source=Source("alice/other", "main", "a" * 40, f"d{number}"))
        assert "Wait until one has ended" in error_of(await submit(site, f"{GITHUB}/alice/hello"))

    with_github(tmp_path, work)
