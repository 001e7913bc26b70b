"""Whole journeys of developers, visitors and operators in a browser, against the running system."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.system.conftest import NewPage
from tests.system.journeys import address, deploy, log_in, submit_repository, wait_until_deployed
from tests.system.running import RunningStack, soon

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


@SCRIPTS
def test_from_login_to_deletion(stack: RunningStack, new_page: NewPage, scripts: bool):
    page = new_page(java_script_enabled=scripts)
    log_in(page, stack, "alice")
    app = deploy(page, stack, "codius/examples/tree/main/hello")
    wait_until_deployed(page, scripts)
    # It serves, and its page says what it is.
    page.get_by_role("link", name=f"http://{app}.localhost:{stack.port}/").click()
    assert page.inner_text("body").startswith("Hello")
    page.goto(address(stack, f"/apps/{app}"))
    expect(page.get_by_role("row", name="Deployed by alice")).to_be_visible()
    expect(page.get_by_role("row", name="Repository codius/examples")).to_be_visible()
    expect(page.get_by_role("row", name="Directory hello")).to_be_visible()
    page.get_by_role("link", name="View Workflow").click()
    assert page.get_by_role("heading", level=1).inner_text() == f"Deploy {app}"
    # Its included requests are spent, and a visitor lands on the page about that.
    used = 0
    while stack.get(app).status_code == 200:
        used += 1
    assert 95 <= used <= 99  # the browser had the others: the page and its icon
    page.goto(f"http://{app}.localhost:{stack.port}/")
    assert page.url == address(stack, f"/apps/{app}/402")
    assert page.get_by_role("heading", level=1).inner_text() == "Insufficient balance"
    page.get_by_role("link", name="More about this app").click()
    expect(page.get_by_role("row", name="Remaining Requests 0")).to_be_visible()
    expect(page.get_by_role("img", name="Bar chart: Requests per hour")).to_be_visible()
    # It is deleted, everywhere.
    page.locator("summary", has_text="Delete App").click()
    page.get_by_role("button", name=f"Delete {app}").click()
    expect(page.get_by_text("This app was deleted")).to_be_visible()
    assert soon(lambda: stack.get(app).status_code == 410)
    path = f"/workers/dispatch/namespaces/testing/scripts/{app}"
    assert stack.api("GET", path).status_code == 404
    page.goto(address(stack, "/apps"))
    expect(page.get_by_role("row").filter(has_text=app)).to_have_count(0)
    page.get_by_label("Show").select_option("Deleted")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("row").filter(has_text=app).get_by_text("deleted")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(address(stack))
    expect(page.get_by_role("link", name="Log in with GitHub")).to_be_visible()


@SCRIPTS
def test_a_repository_that_does_not_build_fails_with_its_reason(
    stack: RunningStack, new_page: NewPage, scripts: bool
):
    page = new_page(java_script_enabled=scripts)
    log_in(page, stack, "alice" if scripts else "bob")
    app = deploy(page, stack, "alice/unfinished")
    wait_until_deployed(page, scripts, "failed")
    reason = page.get_by_text("The build failed.")
    words = 'wrangler could not bundle the Worker: Expected identifier but found "}"'
    expect(reason).to_contain_text(words)
    page.get_by_role("link", name="View Workflow").click()
    expect(page.get_by_text("ERROR").first).to_be_visible()
    # Trying again fails again, in a new run.
    page.go_back()
    first = page.get_by_role("link", name="View Workflow").get_attribute("href")
    with page.expect_navigation():
        page.get_by_role("button", name="Try Again").click()
    wait_until_deployed(page, scripts, "failed")
    assert page.get_by_role("link", name="View Workflow").get_attribute("href") != first
    assert stack.get(app).status_code == 404


@SCRIPTS
def test_two_users_see_and_touch_only_their_own(stack: RunningStack, new_page: NewPage, scripts: bool):
    alice, bob = new_page(java_script_enabled=scripts), new_page(java_script_enabled=scripts)
    log_in(alice, stack, "alice")
    log_in(bob, stack, "bob")
    app = failed_or_new(alice, stack, scripts)
    assert bob.goto(address(stack, f"/apps/{app}")).status == 404  # type: ignore[union-attr]
    assert bob.goto(address(stack, f"/apps/{app}/402")).status == 404  # type: ignore[union-attr]
    bob.goto(address(stack, "/apps"))
    assert bob.get_by_text(app).count() == 0
    for action in ("delete", "retry"):
        answer = bob.request.post(
            address(stack, f"/apps/{app}/{action}"), headers={"origin": address(stack).rstrip("/")}
        )
        assert answer.status == 404
    assert alice.goto(address(stack, f"/apps/{app}")).status == 200  # type: ignore[union-attr]


def failed_or_new(page: Page, stack: RunningStack, scripts: bool) -> str:
    """An app of alice's that was never deployed."""
    rows = page.get_by_role("row").filter(has_text="alice/broken")
    if rows.count():
        return rows.first.locator(".id").inner_text()
    app = deploy(page, stack, "alice/broken")
    wait_until_deployed(page, scripts, "failed")
    return app


@SCRIPTS
@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("nonsense", "not the address of a GitHub repository"),
        ("https://github.com/alice/greeter", "apps are deployed from the GitHub at"),
        ("GITHUB/alice/nothing", "There is no public repository"),
        ("GITHUB/alice/greeter/tree/nothing", "has no branch, tag or commit"),
        ("GITHUB/codius/examples", "it holds no Worker. These directories do:"),
        ("<script>alert(1)</script>", "can't be the name"),
    ],
)
def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(
    stack: RunningStack, new_page: NewPage, typed: str, says: str, scripts: bool
):
    page = new_page(java_script_enabled=scripts)
    log_in(page, stack, "bob")
    typed = typed.replace("GITHUB", f"http://127.0.0.1:{stack.port}")
    submit_repository(page, stack, typed)
    field = page.get_by_label("GitHub Repository")
    expect(field).to_have_value(typed)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text(says)
    field.fill("")
    page.get_by_role("button", name="Deploy App").click()
    assert page.evaluate("document.activeElement.id") == "repository" if scripts else True


@SCRIPTS
def test_an_operator_sees_what_others_do_not(stack: RunningStack, new_page: NewPage, scripts: bool):
    operator, alice = new_page(java_script_enabled=scripts), new_page(java_script_enabled=scripts)
    log_in(alice, stack, "alice")
    app = failed_or_new(alice, stack, scripts)
    assert alice.goto(address(stack, "/operator")).status == 404  # type: ignore[union-attr]
    log_in(operator, stack, "operator")
    health = operator.goto(address(stack, "/healthz"))
    assert health is not None
    assert (health.status, health.json()["status"]) == (200, "ok"), health.text()
    operator.goto(address(stack, "/"))
    operator.get_by_role("link", name="Operator").click()
    failures = operator.get_by_role("table", name="Failed lately")
    expect(failures.get_by_role("row").filter(has_text=app)).to_contain_text("The build failed.")
    expect(operator.get_by_role("table", name="Latest apps")).to_contain_text(app)


def test_who_cancels_at_github_is_not_logged_in(stack: RunningStack, page: Page):
    page.goto(address(stack, "/apps"))
    page.get_by_role("button", name="Cancel").click()
    expect(page).to_have_url(address(stack))
    expect(page.get_by_role("link", name="Log in with GitHub")).to_be_visible()
