"""What people do on the dashboard, step by step, with scripts or without."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.system.running import RunningStack

DEPLOY_MS = 180_000
RELOAD_MS = 1_000


def address(stack: RunningStack, path: str = "/") -> str:
    return f"http://localhost:{stack.port}{path}"


def log_in(page: Page, stack: RunningStack, user: str) -> None:
    """From the apps page over the local GitHub's page and back."""
    page.goto(address(stack, "/apps"))
    assert page.url.startswith(f"http://127.0.0.1:{stack.port}/login/oauth/authorize?")
    page.get_by_role("button", name=user, exact=True).click()
    page.wait_for_url(address(stack, "/apps"))


def submit_repository(page: Page, stack: RunningStack, repository: str) -> None:
    page.goto(address(stack, "/apps"))
    page.get_by_label("GitHub Repository").fill(repository)
    page.get_by_role("button", name="Deploy App").click()


def deploy(page: Page, stack: RunningStack, path: str) -> str:
    """Deploy a repository of the local GitHub; return the app's id. The page is the app's then."""
    submit_repository(page, stack, f"http://127.0.0.1:{stack.port}/{path}")
    page.wait_for_url(address(stack, "/apps/*"))
    app = page.url.rpartition("/")[2]
    expect(page.locator("hgroup .id")).to_have_text(app)
    return app


def top_up(page: Page, amount: str = "5.00") -> None:
    """From a page that offers it to Stripe's, where it only needs to be paid."""
    link = page.get_by_role("link", name="Top Up Balance")
    if link.count():
        link.click()
    page.get_by_label("Another amount, in US dollars").fill(amount)
    page.get_by_label("Another amount", exact=True).check()
    page.get_by_role("button", name="Continue to Payment").click()
    page.wait_for_url("**/c/pay/*")


def pay(page: Page, card: str = "Pays at once") -> None:
    page.get_by_label(card).check()
    page.get_by_role("button", name="Pay", exact=True).click()


def wait_until_deployed(page: Page, has_scripts: bool = True, status: str = "deployed") -> None:
    wait_until_shown(page, page.get_by_role("status").get_by_text(status, exact=True), has_scripts)


def wait_until_shown(page: Page, found: Locator, has_scripts: bool) -> None:
    """Look on while the page updates itself; without scripts, load it again and again."""
    if has_scripts:
        expect(found).to_be_visible(timeout=DEPLOY_MS)
        return
    for _ in range(DEPLOY_MS // RELOAD_MS):
        page.reload()
        if found.count():
            return
        page.wait_for_timeout(RELOAD_MS)
    raise AssertionError(f"{found} was not shown in time:\n{page.content()}")
