"""How pages look with the longest of all that they can have on them: in a browser, without a stack."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Page

from local.github.pages import page as local_page
from model.app import Source, User
from tests.dashboard.dashboard_site import ALICE, OPERATOR, Site
from tests.dashboard.test_sites import add_version, make_site
from tests.system.running import ROOT
from tests.system.test_pages import ALL_WIDTHS, LONG_SITE

STATIC = ROOT / "dashboard" / "static"
STYLE = "".join((STATIC / name).read_text() for name in ("vendor/pico-2.1.1.min.css", "style.css"))
SUSPENDED, FAILED = "bcdfghjkmnpq", "bcdfghjkmnpr"
LONG = Source(f"alice/{'x' * 100}", "fix/" + "y" * 196, "a" * 40, "z" * 200)
PATHS = (
    f"/apps/{SUSPENDED}",
    f"/apps/{FAILED}",
    f"/sites/{LONG_SITE}",
    "/apps?show=all",
    "/operator",
    "/operator/sites",
)
PAYMENT = (
    "INSERT INTO payments (id, app_id, status, amount_cents, payment_intent, created_at, paid_at) "
    "VALUES ('cs_test_1', ?, 'credited', 2500, ?, 1, 1)"
)


async def pages() -> dict[str, str]:
    site = Site(CONTACT="abuse@example.com")
    await site.deployed_app(SUSPENDED, OPERATOR, LONG)
    await site.add_app(FAILED, OPERATOR, replace(LONG, commit_hash="b" * 40))
    await site.database.execute(
        "UPDATE apps SET status = 'failed', run_id = 77, failure = ? WHERE id = ?",
        f"Build:\n{'w' * 400}",
        FAILED,
    )
    await make_site(site, name=LONG_SITE)
    await add_version(site, 1, LONG_SITE)
    operator = site.visitor(OPERATOR)
    for kind, name in (("app", SUSPENDED), ("site", LONG_SITE), ("user", str(ALICE.id))):
        form = {"kind": kind, "name": name, "reason": f"It {'imitates' * 20} the page of a bank."}
        assert (await operator.post("/operator/suspend", form)).status_code == 303
    await site.database.execute(PAYMENT, SUSPENDED, f"pi_{'3Q' * 20}")
    site.billing.getByName(SUSPENDED).pay("cs_test_1", 2500)
    site.services.refusing.note("ALL_DEPLOYS_PER_DAY", User(10**15, "nobody-here", None))
    await site.services.users.log_in(User(9, "l" * 39, None), "a" * 64, site.now, site.now + 1)
    site.services.refusing.note("COSTLY unknown apps", User(9, "l" * 39, None))
    found = {path: await operator.get(path) for path in PATHS}
    found["/sites"] = await site.visitor(ALICE).get("/sites")
    found["/?next="] = await site.visitor().get(f"/?next=/apps?repository={'x' * 1_000}")
    assert {answer.status_code for answer in found.values()} == {200}
    return {path: answer.text for path, answer in found.items()}


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """The pages with their style in them. Made beside the browser's own event loop."""
    with ThreadPoolExecutor(1) as beside:
        found = beside.submit(asyncio.run, pages()).result()
    return {path: styled(html) for path, html in found.items()}


def styled(html: str) -> str:
    return re.sub(r"<script.*?</script>|<link[^>]*>", "", html).replace(
        "</head>", f"<style>{STYLE}</style></head>"
    )


@pytest.mark.parametrize("width", ALL_WIDTHS)
def test_the_longest_names_and_reasons_stay_within_the_window(shown: dict[str, str], page: Page, width: int):
    page.set_viewport_size({"width": width, "height": 800})
    for path, html in shown.items():
        page.set_content(html)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


ROWS_OF_HEADER = """() => {
    const items = [...document.querySelectorAll("body > header li")];
    const boxes = items.map(item => item.getBoundingClientRect());
    return new Set(boxes.filter(box => box.width).map(box => Math.round(box.top + box.bottom))).size;
}"""


@pytest.mark.parametrize("width", ALL_WIDTHS)
def test_the_header_takes_two_rows_at_most(shown: dict[str, str], page: Page, width: int):
    page.set_viewport_size({"width": width, "height": 800})
    page.set_content(shown["/operator"])
    assert page.locator("body > header").get_by_role("listitem").count() == 7
    assert page.evaluate(ROWS_OF_HEADER) <= 2


def test_a_commit_of_the_local_github_stays_within_the_window(page: Page):
    page.set_viewport_size({"width": 320, "height": 800})
    commit: dict[str, Any] = {"title": f"Commit {'a' * 40}", "words": f"At {'b' * 40}", "text": "c" * 400}
    repository = SimpleNamespace(full_name=f"alice/{'x' * 100}")
    page.set_content(bytes(local_page("text.html", repository=repository, **commit).body).decode())
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_beside_a_long_reason_no_word_of_a_table_is_broken_in_two(shown: dict[str, str], page: Page):
    page.set_viewport_size({"width": 1280, "height": 800})
    page.set_content(shown["/operator"])
    lines = "element => Math.round(element.offsetHeight / parseFloat(getComputedStyle(element).lineHeight))"
    restore = page.get_by_role("link", name="Restore app")
    assert restore.evaluate(lines) == 1
    act = page.get_by_role("table", name="What operators did").get_by_role("cell", name="suspend", exact=True)
    lines_of_text = """cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return range.getClientRects().length;
    }"""
    assert {cell.evaluate(lines_of_text) for cell in act.all()} == {1}
