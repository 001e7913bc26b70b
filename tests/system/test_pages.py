"""The dashboard's pages in a browser: looks, themes, accessibility."""

from __future__ import annotations

import socket

import pytest
from playwright.sync_api import Page, expect

from tests.system.conftest import NewPage
from tests.system.journeys import deploy, log_in, wait_until_deployed
from tests.system.running import ROOT, RunningStack

AXE = (ROOT / "tests" / "node_modules" / "axe-core" / "axe.min.js").read_text()
WIDTHS, THEMES = (375, 1280), ("light", "dark")
# Every page there is, but an app's own.
PATHS = (
    "/",
    "/apps",
    "/apps/hello/402",
    "/nothing",
    "/operator",
    "/payments",
    "/sites",
    "/login/github/callback",
)


def test_the_first_page_says_what_this_is(stack: RunningStack, page: Page):
    page.goto(f"http://localhost:{stack.port}/")
    assert page.get_by_role("heading", level=1).inner_text() == "Attested hosting for Cloudflare Workers"
    # The style sheets have arrived, and the policy lets them in.
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "992px"


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
    for path in ("/nothing", "/apps/nobody", "/apps/nobody/402", "/apps/No_App/402", "/operator"):
        response = stack.request("localhost", path=path)
        assert response.status_code == 404
        assert "<h1>Not found</h1>" in response.text
    assert stack.request("localhost", "PUT").status_code == 403


def test_a_body_that_is_too_large_is_refused_without_being_read(stack: RunningStack):
    for path in ("/apps", "/webhooks/github", "/webhooks/stripe"):
        assert status_of_announced_body(stack, path, 2_000_000) == 413
        assert stack.request("localhost", "POST", path, content=iter([b"x"])).status_code == 411


def status_of_announced_body(stack: RunningStack, path: str, size: int) -> int:
    """The answer's status to a body that was announced, and not sent."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost:{stack.port}\r\nContent-Length: {size}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stack.port), timeout=30) as connection:
        connection.sendall(head.encode())
        return int(connection.makefile("rb").readline().split()[1])


def test_static_files_carry_their_headers_and_the_libraries_stay_in_the_cache(stack: RunningStack):
    libraries = [path.name for path in (ROOT / "dashboard" / "static" / "vendor").iterdir()]
    assert len(libraries) == 2
    pages = "".join(path.read_text() for path in (ROOT / "dashboard" / "templates").iterdir())
    for name in libraries:
        assert f"/vendor/{name}" in pages, "the pages load another version than is installed"
        answer = stack.request("localhost", path=f"/vendor/{name}")
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_theme_follows_the_system_until_the_switch_is_used_and_is_remembered(
    stack: RunningStack, new_page: NewPage
):
    page = new_page(color_scheme="dark")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    page.goto(f"http://localhost:{stack.port}/")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert light != dark
    page.get_by_role("button", name="Switch to the dark theme").click()
    assert page.evaluate(ground) == dark
    page.goto(f"http://localhost:{stack.port}/apps/hello/402")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Switch to the light theme").press("Enter")
    assert page.evaluate(ground) == light


def test_the_switch_is_not_there_without_scripts(stack: RunningStack, new_page: NewPage):
    page = new_page(java_script_enabled=False)
    page.goto(f"http://localhost:{stack.port}/")
    assert page.get_by_role("button").count() == 0


def test_a_keyboard_reaches_everything_and_can_skip_the_navigation(stack: RunningStack, page: Page):
    page.goto(f"http://localhost:{stack.port}/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Deploy an app"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_accessible_and_as_wide_as_the_window(
    stack: RunningStack, new_page: NewPage, width: int, theme: str
):
    page = new_page(viewport={"width": width, "height": 800}, color_scheme=theme, bypass_csp=True)
    log_in(page, stack, "operator")
    own = f"/apps/{deploy_once(page, stack)}"
    found = []
    for path in (*PATHS, own, f"{own}/402", f"{own}/attestation"):
        page.goto(f"http://localhost:{stack.port}{path}")
        found += problems_of(page, path, width)
    page.goto(f"http://localhost:{stack.port}/apps")
    page.get_by_label("GitHub Repository").fill("nonsense")
    page.get_by_role("button", name="Deploy App").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += problems_of(page, "/apps with an error", width)
    assert found == []


def deploy_once(page: Page, stack: RunningStack) -> str:
    """The operator's app of an example, deployed by the first test that wants it."""
    page.goto(f"http://localhost:{stack.port}/apps")
    links = page.locator("table a[href^='/apps/']")
    if links.count():
        return links.first.inner_text()
    app = deploy(page, stack, "codius/examples/tree/main/palette")
    wait_until_deployed(page)
    return app


def problems_of(page: Page, name: str, width: int) -> list[str]:
    page.evaluate(AXE)
    result = page.evaluate("axe.run()")
    problems = [f"{name}: {item['id']}: {item['nodes'][0]['html']}" for item in result["violations"]]
    if page.evaluate("document.documentElement.scrollWidth") > width:
        problems.append(f"{name}: wider than {width}")
    return problems
