from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from local.browser import NONE_LINE, find_browser
from local.staging import ROOT
from tests.system.repositories import write_repositories
from tests.system.running import RunningStack

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
# What a browser says on its console about an answer that is no success; the tests look at these themselves.
EXPECTED = "Failed to load resource: the server responded with a status of 4"
# Generous, as a small machine may be busy: no test waits so long unless it fails.
PATIENCE_MS = 120_000
expect.set_options(timeout=PATIENCE_MS)

NewPage = Callable[..., Page]


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One running local stack for all tests that only talk to it, each with apps of its own.

    Its GitHub has some more repositories, and `hello` was uploaded by hand. Each process that
    runs tests has one of its own. It ends with the tests of this folder: one that idles takes
    a twentieth of a processor.
    """
    limits = ("DEPLOYS_PER_HOUR", "DEPLOYS_PER_DAY", "LOOKUPS_PER_HOUR")
    variables = {
        "REPOSITORIES": write_repositories(tmp_path_factory.mktemp("repositories")),
        **dict.fromkeys(limits, "1000"),  # the same few users deploy in all tests
    }
    running = RunningStack(tmp_path_factory.mktemp("state"), settings=variables)
    try:
        running.start()
        running.deploy(ROOT / "examples" / "hello", "hello")
        yield running
    finally:
        running.stop()


# Not for the whole session: while Playwright runs, no other event loop can in the same thread.
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
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Open a page in a browser of its own; no page may have an error of a script or of the policy.

    Nothing moves by itself: without a graphics card it costs a fifth of a processor.
    """
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(**options: object) -> Page:
        context = browser.new_context(**{"reduced_motion": "reduce", **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: (
                problems.append(message.text)
                if message.type == "error" and not message.text.startswith(EXPECTED)
                else None
            ),
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(new_page: NewPage) -> Page:
    return new_page()
