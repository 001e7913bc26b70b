"""The dashboard's pages in a browser: looks, themes, accessibility."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.system.conftest import PATIENCE_MS, NewPage
from tests.system.journeys import address, deploy, log_in, pay, top_up, wait_until_deployed
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
    "/docs/deployers",
    "/docs/payers",
    "/docs/visitors",
    "/login/github/callback",
)
OPERATORS_PATHS = (
    *("/operator/apps", "/operator/sites", "/operator/users", "/operator/acts", "/operator/health"),
    *("/operator/suspend?kind=user&name=operator", "/account"),
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


def test_an_account_has_a_feed_at_an_address_of_its_own(stack: RunningStack, page: Page):
    log_in(page, stack, "alice")
    page.goto(address(stack, "/account"))
    page.get_by_role("button", name="Make an Address").click()
    response = page.request.get(page.locator("code").inner_text())
    assert response.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert response.text().startswith('<?xml version="1.0" encoding="utf-8"?>\n<feed')


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


def test_a_time_is_shown_in_the_readers_zone_also_where_it_comes_later(new_page: NewPage):
    page = new_page(timezone_id="Asia/Tokyo")
    page.set_content('<time datetime="2026-11-26T16:05:00+00:00">26 Nov 2026, 16:05 UTC</time>')
    page.add_script_tag(path=ROOT / "dashboard" / "static" / "times.js")
    time = page.locator("time")
    expect(time).to_have_text("27 Nov 2026, 01:05 GMT+9")
    time.hover()
    assert "26 November 2026 at 16:05:00 UTC (" in (time.get_attribute("title") or "")
    # What htmx is about to put on the page, which would otherwise change twice.
    shown = page.evaluate("""() => {
        const html = '<time datetime="2026-01-01T00:00:00Z">x</time>';
        const fragment = document.createRange().createContextualFragment(html);
        document.dispatchEvent(new CustomEvent("htmx:before:swap", { detail: { tasks: [{ fragment }] } }));
        return fragment.textContent;
    }""")
    assert shown == "1 Jan 2026, 09:00 GMT+9"


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
    assert page.evaluate("document.activeElement.textContent").strip() == "Deploy an App"


@pytest.fixture
def failing_page(browser: Browser) -> Iterator[Page]:
    """A page whose console is full of the answers that a test has made fail."""
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()


def test_a_page_that_gets_bad_answers_keeps_what_it_shows_says_so_and_goes_on(
    stack: RunningStack, failing_page: Page
):
    page, note = failing_page, failing_page.locator("#connection")
    failure = ["503"]

    def answer(route: Route, request: Request) -> None:
        if "hx-request" not in request.headers or not failure:
            return route.continue_()
        if failure == ["nothing"]:
            return route.fulfill(status=200, content_type="text/html", body="<p>Welcome to this hotel</p>")
        return route.abort() if failure == ["no network"] else route.fulfill(status=int(failure[0]), body="")

    log_in(page, stack, "operator")
    page.route("**/apps/*", answer)
    # Never public: whoever is logged out can't see it, however far it is.
    deploy(page, stack, "alice/unfinished")
    for failure[0] in ("503", "no network", "nothing"):
        wait_for_an_answer(page)
        expect(note).to_have_text("The server can't be reached, trying again.")
        expect(page.locator("#progress .steps")).to_be_visible()
        expect(page).to_have_title(re.compile(": alice/unfinished · Codius Workers$"))
    # Logged out in another tab.
    other = page.context.new_page()
    other.goto(address(stack))
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_role("link", name="Log in with GitHub")).to_be_visible()
    failure.clear()
    expect(note).to_have_text("You are logged out. Log in again")
    link = page.get_by_role("link", name="Log in again")
    link.focus()
    wait_for_an_answer(page)
    expect(link).to_be_focused()
    expect(page.locator("#progress .steps")).to_be_visible()
    # And in again: the page goes on by itself, to the deploy's end.
    log_in(other, stack, "operator")
    wait_until_deployed(page, status="failed")
    expect(note).to_be_hidden()


def wait_for_an_answer(page: Page) -> None:
    """When the page asks again, it has read the answer before."""
    for _ in range(2):
        with page.expect_request(lambda request: "hx-request" in request.headers):
            pass


def test_a_verification_that_can_not_be_had_is_asked_for_again_and_the_title_stays(
    stack: RunningStack, failing_page: Page
):
    page = failing_page
    log_in(page, stack, "operator")
    app = deploy_once(page, stack)
    page.route("**/attestation", lambda route: route.fulfill(status=503, body=""), times=1)
    page.goto(address(stack, f"/apps/{app}"))
    expect(page.locator("#connection")).to_have_text("The server can't be reached, trying again.")
    expect(page.get_by_role("heading", name="Does it run its source?")).to_be_visible()
    expect(page.get_by_text("This app runs exactly what the workflow built")).to_be_visible()
    expect(page.locator("#connection")).to_be_hidden()
    expect(page).to_have_title("deployed: codius/examples/palette · Codius Workers")


# What becomes of each attempt to send a form; nothing is sent.
COUNT_SUBMITS = """() => {
  window.stopped = [];
  addEventListener("submit", (event) => {
    window.stopped.push(event.defaultPrevented);
    event.preventDefault();
  });
}"""


def test_a_form_is_sent_once_and_what_was_typed_survives_a_login(stack: RunningStack, page: Page):
    log_in(page, stack, "bob")
    field, button = page.get_by_label("GitHub Repository"), page.get_by_role("button", name="Deploy App")
    page.evaluate(COUNT_SUBMITS)
    field.fill("alice/plain")
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    field.press("Enter")
    button.dispatch_event("click")
    assert page.evaluate("window.stopped") == [False, True, True]
    # A real double click; and one that no script helps.
    unguarded = "addEventListener('submit', (event) => event.stopImmediatePropagation(), true)"
    for repository, script in (("alice/plain", ""), ("alice/broken", unguarded)):
        page.goto(address(stack, "/apps"))
        page.evaluate(script)
        field.fill(repository)
        button.dblclick()
        page.wait_for_url(re.compile(".*/apps/.+"))
        expect(page.get_by_role("heading", level=1)).not_to_have_text("Apps")
    page.goto(address(stack, "/apps"))
    page.context.clear_cookies()
    field.fill("alice/hello & more")
    button.click()
    page.get_by_role("button", name="bob", exact=True).click()
    page.wait_for_url(address(stack, "/apps?*"))
    expect(field).to_have_value("alice/hello & more")


def test_a_deploy_that_ends_leaves_focus_and_open_panels_and_is_announced(stack: RunningStack, page: Page):
    log_in(page, stack, "bob")
    deploy(page, stack, "alice/greeter")
    expect(page).to_have_title(re.compile("^[a-z]+: alice/greeter"))
    workflow, panel = page.get_by_role("link", name="View Workflow"), page.locator("details.delete")
    workflow.focus()
    panel.locator("summary").dispatch_event("click")
    page.evaluate("window.isTheSame = true")
    wait_until_deployed(page)
    expect(page.get_by_role("status").first).to_have_text(re.compile(r"^deployed in (\d+ min )?\d+ s$"))
    expect(page).to_have_title(re.compile("^deployed: alice/greeter"))
    expect(page.get_by_role("link", name="Open app")).to_be_visible()
    expect(page.get_by_text("This app runs exactly what the workflow built")).to_be_visible()
    expect(
        page.get_by_text("STORE (KV Namespace) isn't there: code that uses it will throw.")
    ).to_be_visible()
    expect(workflow).to_be_focused()
    assert panel.evaluate("panel => panel.open")
    assert page.evaluate("window.isTheSame")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_accessible_and_as_wide_as_the_window(
    stack: RunningStack, new_page: NewPage, width: int, theme: str
):
    page = new_page(viewport={"width": width, "height": 800}, color_scheme=theme, bypass_csp=True)
    log_in(page, stack, "operator")
    own = f"/apps/{deploy_once(page, stack)}"
    found = []
    for path in (*PATHS, own, f"{own}/402", f"{own}/top-up", f"{own}/attestation"):
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
    return app_of(page, stack, "deployed", "codius/examples/tree/main/palette")


def fail_once(page: Page, stack: RunningStack) -> str:
    return app_of(page, stack, "failed", "alice/broken")


def app_of(page: Page, stack: RunningStack, state: str, path: str) -> str:
    page.goto(address(stack, "/apps"))
    rows = page.get_by_role("row").filter(has=page.get_by_text(state, exact=True))
    if rows.count():
        return rows.first.locator(".id").inner_text()
    app = deploy(page, stack, path)
    wait_until_deployed(page, status=state)
    return app


def problems_of(page: Page, name: str, width: int) -> list[str]:
    page.evaluate(AXE)
    result = page.evaluate("axe.run()")
    problems = [f"{name}: {item['id']}: {item['nodes'][0]['html']}" for item in result["violations"]]
    if page.evaluate("document.documentElement.scrollWidth") > width:
        problems.append(f"{name}: wider than {width}")
    return problems


ALL_WIDTHS = (320, 576, 768, 1024, 1280)
LONG_SITE = "abcdefghijk-abcdefghijk-abcdefghijk-abcd"  # as long as a name may be
# As long as GitHub lets owners and repositories be called, wherever a page shows one.
LENGTHEN = """() => {
  const name = "o".repeat(39) + "/" + "r".repeat(100);
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    text.data = text.data.replaceAll("codius/examples", name).replaceAll("alice/broken", name);
  }
  for (const details of document.querySelectorAll("details")) details.open = true;
}"""
EDGES = """() => {
  const [root, title] = [document.documentElement, document.querySelector("h1")];
  return [root.scrollWidth - root.clientWidth, title.getBoundingClientRect().left];
}"""


# What a finger or a shaking hand would miss (WCAG 2.2, 2.5.8); links in sentences may be as low as a line.
SMALL = """() => [...document.querySelectorAll("a, button, summary, input:not([type=hidden]), select")]
  .filter((element) => element.checkVisibility() && !element.closest("p, li, .skip"))
  .filter((element) => {
    const { width, height } = (element.closest("label") ?? element).getBoundingClientRect();
    return Math.min(width, height) < 23.9;
  })
  .map((element) => element.outerHTML)"""


def test_no_page_scrolls_sideways_and_each_has_a_margin_and_targets_that_can_be_hit(
    stack: RunningStack, page: Page
):
    paths = every_page(page, stack)
    found = []
    for path in (*paths, *OPERATORS_PATHS):
        page.goto(address(stack, path))
        page.wait_for_load_state("networkidle")
        page.evaluate(LENGTHEN)
        for width in ALL_WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            beyond, margin = page.evaluate(EDGES)
            if beyond > 0 or margin < 15:
                found.append(f"{path} at {width}: {beyond} beyond the window, {margin} before the title")
            found += [f"{path} at {width}: small: {element}" for element in page.evaluate(SMALL)]
    assert found == []


def every_page(page: Page, stack: RunningStack) -> list[str]:
    """Have an app that is deployed and paid for, one that failed, and a site; return all pages' paths."""
    log_in(page, stack, "operator")
    app, failed = deploy_once(page, stack), fail_once(page, stack)
    page.goto(address(stack, f"/apps/{app}"))
    top_up(page)
    pay(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Added")
    success = page.url.removeprefix(address(stack).rstrip("/"))
    page.goto(address(stack, f"/sites?app={app}"))
    page.get_by_label("Name", exact=True).fill(LONG_SITE)
    page.get_by_role("button", name="Make Site").click()
    page.wait_for_url(address(stack, f"/sites/{LONG_SITE}"))
    own, site = f"/apps/{app}", f"/sites/{LONG_SITE}"
    pages = [f"{one}{part}" for one in (own, site) for part in ("", "/402", "/attestation", "/top-up")]
    return [*PATHS, *pages, f"/apps/{failed}", success]


# The sum of what moved by itself, as the Layout Instability API has it.
MOVES = """window.moved = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.moved += entry.value;
}).observe({ type: "layout-shift", buffered: true });"""
FOCUSED = """() => {
  const style = getComputedStyle(document.activeElement);
  return [style.outlineStyle, parseFloat(style.outlineWidth), style.outlineColor];
}"""
COLOURS = """() => {
  const figure = document.createElement("figure");
  figure.className = "chart";
  figure.innerHTML = '<svg><rect class="bar"/><text>1</text></svg>';
  document.body.append(figure);
  const fills = [...figure.querySelectorAll("rect, text")].map((part) => getComputedStyle(part).fill);
  return [...fills, getComputedStyle(document.body).color];
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_the_verification_arrives_and_focus_is_always_seen(
    stack: RunningStack, new_page: NewPage, width: int
):
    page = new_page(viewport={"width": width, "height": 800})
    log_in(page, stack, "operator")
    app = deploy_once(page, stack)
    page.add_init_script(MOVES)
    page.goto(address(stack, f"/apps/{app}"))
    expect(page.get_by_text("This app runs exactly what the workflow built")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.moved") < 0.01
    for scheme in THEMES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for _ in range(12):
            page.keyboard.press("Tab")
            style, thickness, colour = page.evaluate(FOCUSED)
            assert (style, thickness >= 2) == ("solid", True)
            ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            assert contrast(colour, ground) >= 3
    page.emulate_media(forced_colors="active")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)[0] == "solid"
    bar, text, expected = page.evaluate(COLOURS)
    assert (bar, text) == (expected, expected)


def contrast(one: str, other: str) -> float:
    """Of two colours as `rgb(…)` (WCAG 2.2, "contrast ratio")."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
