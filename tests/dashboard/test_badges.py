"""The badge for a README, and the page that it leads to."""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest

from store.attestations import Verdict
from tests.dashboard.dashboard_site import ALICE, DASHBOARD, GITHUB, NOW, Site
from tests.dashboard.test_checks import APP, PAGE, Attested, with_app
from tests.dashboard.test_sites import HERE, NAME, add_version, in_site, make_site
from web.attestation_pages import LATELY_MS, verify_command, word_of
from web.badges import picture

BADGE = f"/apps/{APP}/badge.svg"


def word_in(response: httpx.Response) -> str:
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("image/svg+xml")
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    return (ElementTree.fromstring(response.text).get("aria-label") or "").removeprefix("Codius Workers: ")  # noqa: S314


def test_a_badge_says_what_the_latest_check_came_to_and_has_an_old_one_made_again(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        site = app.site

        async def badge() -> str:
            return word_in(await site.visitor().get(BADGE))

        assert await badge() == "not checked lately"
        assert app.reads() == 0  # it is a picture, and answers at once
        await site.services.upkeep.run(site.now, lambda subject, error: None)
        assert await badge() == "verified"
        app.tamper(lambda script: script["modules"].pop())
        site.now += 60_000
        assert await badge() == "verified"
        await site.services.upkeep.run(site.now, lambda subject, error: None)
        assert await badge() == "differs"
        site.now += LATELY_MS + 1
        assert await badge() == "not checked lately"

    with_app(tmp_path, work)


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (None, "not checked lately"),
        (Verdict(0, None, 0), "not checked lately"),
        (Verdict(NOW, None, NOW), "not checked lately"),
        (Verdict(NOW - LATELY_MS - 1, True, NOW - LATELY_MS - 1), "not checked lately"),
        (Verdict(NOW - LATELY_MS, True, NOW - LATELY_MS), "verified"),
        (Verdict(NOW, True, NOW), "verified"),
        (Verdict(NOW, False, NOW), "differs"),
    ],
)
def test_only_a_check_of_late_says_anything(verdict: Verdict | None, word: str) -> None:
    assert word_of(verdict, NOW) == word
    title = ElementTree.fromstring(picture(word_of(verdict, NOW))).findtext("{*}title")  # noqa: S314
    assert title == f"Codius Workers: {word}"


def test_the_page_says_all_that_is_known_and_what_to_do_with_it(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        response = await app.site.visitor().get(PAGE)
        page = html.unescape(response.text)
        found = await app.site.app(APP)
        for said in (
            "<title>Verified: alice/hello",
            f'href="{GITHUB}/alice/hello/commit/{found.source.commit_hash}"',
            f"{GITHUB}/codius/codius-workers/actions/runs/{found.run_id}",
            f"{GITHUB}/codius/codius-workers/.github/workflows/deploy-worker.yml@refs/heads/main",
            "What is compared",
            "What is taken on trust",
            verify_command(app.site.services.settings, f"https://{APP}.apps.example/"),
            f"[![Codius Workers]({DASHBOARD}{BADGE})]({DASHBOARD}{PAGE})",
        ):
            assert said in page, said
        app.tamper(lambda script: script["modules"].pop())
        app.site.now += 60_000
        assert "<title>Differs: alice/hello" in (await app.site.visitor().get(PAGE)).text

    with_app(tmp_path, work)


def test_an_apps_own_page_says_at_its_top_whether_it_is_verified(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        async def said(path: str) -> str:
            page = (await app.site.visitor().get(path)).text
            (proof,) = re.findall(r'<p id="proof">(.*?)</p>', page)
            return str(proof)

        link = f'<a class="badge{{}}" href="{PAGE}">{{}}</a>'
        assert await said(f"/apps/{APP}") == link.format(" ", "not checked lately")
        # The page that it loads into itself says the same of what was found now.
        assert await said(PAGE) == link.format(" deployed", "verified")
        assert await said(f"/apps/{APP}") == link.format(" deployed", "verified")
        app.tamper(lambda script: script["modules"].pop())
        app.site.now += 60_000
        assert await said(PAGE) == link.format(" failed", "differs")
        await app.site.database.execute("UPDATE apps SET missing_since = 1")
        assert await said(f"/apps/{APP}") == ""

    with_app(tmp_path, work)


def test_the_command_names_the_keys_of_another_sigstore_where_there_is_one() -> None:
    settings = Site(SIGSTORE_TRUSTED_ROOT="/home/al ice/root.json").services.settings
    assert shlex.split(verify_command(settings, "https://a.example/"))[-2:] == [
        "--trusted-root",
        "/home/al ice/root.json",
    ]
    assert "--trusted-root" not in verify_command(Site().services.settings, "https://a.example/")


def test_a_site_has_both_of_what_it_serves() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        visitor = site.visitor()
        for asker in (visitor, site.visitor(ALICE)):
            assert (await asker.get(f"{HERE}/attestation")).status_code == 404
            assert word_in(await asker.get(f"{HERE}/badge.svg")) == "not deployed"
        app_id = await add_version(site, 1)
        assert word_in(await visitor.get(f"{HERE}/badge.svg")) == "not checked lately"
        page = html.unescape((await visitor.get(f"{HERE}/attestation")).text)
        assert f"Verification of {NAME}" in page
        assert f'href="/apps/{app_id}"' in page
        assert f"{DASHBOARD}{HERE}/badge.svg" in page
        assert f'hx-get="{HERE}/attestation"' in (await visitor.get(HERE)).text
        await site.services.site_hosting.delete(NAME, ALICE, site.now)
        assert word_in(await visitor.get(f"{HERE}/badge.svg")) == "deleted"

    in_site(work)


def test_the_badge_of_a_deleted_app_says_so_and_has_nothing_checked() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        alive = await site.visitor().get(BADGE)
        assert await site.services.apps.mark_deleted(APP, site.now)
        before = site.database.dump()
        deleted = await site.visitor().get(BADGE)
        assert word_in(deleted) == "deleted"
        assert (deleted.status_code, deleted.headers["cache-control"]) == (
            200,
            alive.headers["cache-control"],
        )
        assert site.database.dump() == before

    in_site(work)


def test_what_nobody_may_see_has_the_badge_of_what_is_not_there() -> None:
    """Whoever asks, as it may be kept for everyone; and nothing is written, and no object asked, for it."""

    async def work(site: Site) -> None:
        await site.add_app(APP)
        await make_site(site)
        asker = site.visitor(ALICE)
        await asker.get("/")
        before, site.billing.is_down = site.database.dump(), True
        for path in (BADGE, "/apps/nobody/badge.svg", "/apps/No_App/badge.svg", "/sites/nobody/badge.svg"):
            shown = [await visitor.get(path) for visitor in (asker, site.visitor())]
            assert {word_in(response) for response in shown} == {"not deployed"}
        assert site.database.dump() == before
        assert not await site.services.billing.known_account("nobody")

    in_site(work)


def test_a_deleted_app_that_was_never_deployed_tells_nobody_that_it_was_there() -> None:
    async def work(site: Site) -> None:
        await site.add_app(APP)
        assert await site.services.apps.mark_deleted(APP, site.now)
        assert word_in(await site.visitor().get(BADGE)) == "not deployed"

    in_site(work)
