"""The dashboard in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from local.browser import NONE_LINE, find_browser
from tests.system.running import RunningStack

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        pytest.skip(NONE_LINE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert problems == []


def test_the_first_page_says_what_this_is(stack: RunningStack, page: Page):
    page.goto(f"http://localhost:{stack.port}/")
    assert page.get_by_role("heading", level=1).inner_text() == "Attested hosting for Cloudflare Workers"
    # The style sheet has arrived, and the policy lets it in.
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "704px"


def test_a_visitor_of_an_app_without_balance_lands_on_its_page(stack: RunningStack, page: Page):
    stack.deploy(stack.root / "examples" / "hello", "spent")
    for _ in range(100):
        assert stack.get("spent").status_code == 200
    page.goto(f"http://spent.localhost:{stack.port}/")
    assert page.url == f"http://localhost:{stack.port}/apps/spent/402"
    assert page.get_by_role("heading", level=1).inner_text() == "Insufficient balance"
    cells = page.get_by_role("cell").all_inner_texts()
    assert cells == ["100", "0", "$0.00", "$0.00", "$0.00"]


def test_pages_that_are_not_there(stack: RunningStack):
    for path in ("/nothing", "/apps/nobody/402", "/apps/No_App/402"):
        response = stack.request("localhost", path=path)
        assert response.status_code == 404
        assert "<h1>Not found</h1>" in response.text
    assert stack.request("localhost", "POST").status_code == 405
