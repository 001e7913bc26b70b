"""A deploy that failed: why, what its run says around that, and what helps."""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import replace

import pytest

from tests.dashboard.dashboard_site import ALICE, BOB, GITHUB, OPERATOR, SOURCE, Site
from tests.dashboard.test_sites import HERE, add_version, app_id_of, in_site, make_site
from tests.dashboard.test_states import on_site

APP = "qpnmkjhgfdcb"
REASON = 'Could not resolve "hono"'
BUILD = f"The build failed.\n{REASON}\n  src/index.ts:1:21:\n    1 | import <Hono>"
PRIMARY = re.compile(r'<(?:button(?![^>]*outline)[^>]*|a class="button primary"[^>]*)>([^<]+)</')


async def fail(site: Site, app_id: str, failure: str) -> None:
    sql = "UPDATE apps SET status = 'failed', run_ended = 1, failure = ? WHERE id = ?"
    await site.database.execute(sql, failure, app_id)


async def actions_of(site: Site) -> str:
    page = html.unescape((await site.visitor(ALICE).get(f"/apps/{APP}")).text)
    return page.partition('<div class="actions">')[2].partition("</div>")[0]


def test_the_reason_is_on_the_app_s_page_with_the_lines_around_it_and_in_the_lists() -> None:
    async def work(site: Site) -> None:
        await site.add_app(APP, OPERATOR, replace(SOURCE, directory="api"))
        await fail(site, APP, BUILD)
        visitor = site.visitor(OPERATOR)
        page = html.unescape((await visitor.get(f"/apps/{APP}")).text)
        assert f"<p>The build failed. {REASON}</p>" in page
        assert "<code>  src/index.ts:1:21:\n    1 | import <Hono></code>" in page
        assert "import &lt;Hono&gt;" in (await visitor.get(f"/apps/{APP}")).text
        for path in ("/apps", "/operator"):
            listed = html.unescape((await visitor.get(path)).text)
            assert f"The build failed. {REASON}" in listed, path
            assert "src/index.ts" not in listed, path

    on_site(work)


@pytest.mark.parametrize(
    ("failure", "ref", "helps"),
    [
        (BUILD, "main", "Deploy the Newest Commit of main"),
        (BUILD, SOURCE.commit_hash, "Deploy Another Commit"),
        ("The build failed.", "main", "Try Again"),
        ("The workflow took too long.", "main", "Try Again"),
        ("The deploy failed.\nCloudflare's API failed.", "main", "Try Again"),
    ],
)
def test_the_primary_button_is_what_helps(failure: str, ref: str, helps: str) -> None:
    async def work(site: Site) -> None:
        await site.add_app(APP, ALICE, replace(SOURCE, git_ref=ref, directory="api"))
        await fail(site, APP, failure)
        actions = await actions_of(site)
        assert PRIMARY.findall(actions) == [helps]
        assert "Try Again" in actions
        another = f'value="{GITHUB}/alice/hello/tree/main/api"' if ref == "main" else "/apps?repository=https"
        assert another in actions
        assert "actions" not in (await site.visitor(BOB).get(f"/apps/{APP}")).text

    asyncio.run(work(Site()))


def test_a_site_s_page_says_why_its_last_new_version_failed_until_another_is_there() -> None:
    async def work(site: Site) -> None:
        await make_site(site)
        await add_version(site, 1)
        second = await add_version(site, 2)
        await fail(site, second, BUILD)
        assert app_id_of(2) == second
        page = html.unescape((await site.visitor(ALICE).get(HERE)).text)
        assert f"The build failed. {REASON}" in page
        assert "src/index.ts" in page
        assert REASON not in html.unescape((await site.visitor(BOB).get(HERE)).text)
        await add_version(site, 3)
        assert REASON not in html.unescape((await site.visitor(ALICE).get(HERE)).text)

    in_site(work)
