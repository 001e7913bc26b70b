"""The journey of a site's owner and its visitors in a browser, against the running system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.dashboard_site import signed
from tests.dashboard.test_sites_following import push
from tests.dashboard.with_github import git
from tests.system.conftest import NewPage
from tests.system.journeys import DEPLOY_MS, RELOAD_MS, address, log_in, wait_until_shown
from tests.system.running import RunningStack, soon
from tests.system.test_attestation import verify

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
# A switch that is made at once is served everywhere when the leases from before it are over.
LEASE_SECONDS = 120


def commit_version(stack: RunningStack, version: str) -> None:
    folder = next(
        Path(path) for path in stack.settings["REPOSITORIES"].split(":") if path.endswith("changing")
    )
    (folder / "index.js").write_text(f'export default {{ fetch: () => new Response("{version}") }};\n')
    git(folder, "commit", "--all", "--quiet", "--message", version)


def tell_of_push(stack: RunningStack, site: str, secret: str) -> None:
    """As GitHub does, of a push to the branch main of alice/changing."""
    body, headers = signed(push("alice/changing"), secret)
    headers |= {"x-github-event": "push"}
    path = f"/sites/{site}/webhooks/github"
    assert stack.request("localhost", "POST", path, headers=headers, content=body).status_code == 204


def serves(stack: RunningStack, site: str, text: str) -> bool:
    return soon(lambda: stack.get(site).text == text, LEASE_SECONDS)


@SCRIPTS
def test_from_a_name_to_its_deletion(stack: RunningStack, new_page: NewPage, scripts: bool) -> None:
    user, site = ("alice", "journey-a") if scripts else ("bob", "journey-b")
    commit_version(stack, f"{site} 1")
    page = new_page(java_script_enabled=scripts)
    log_in(page, stack, user)
    page.get_by_role("link", name="Sites").click()
    page.wait_for_url(address(stack, "/sites"))  # with the script that is to see what is typed
    if scripts:
        page.get_by_label("Name", exact=True).press_sequentially("healthz")
        expect(page.get_by_text("This name is reserved.")).to_be_visible()
        page.get_by_label("Name", exact=True).fill(site)
        expect(page.get_by_text(f"http://{site}.localhost:{stack.port}/ is free.")).to_be_visible()
    page.get_by_label("Name", exact=True).fill(site)
    repository = f"http://127.0.0.1:{stack.port}/alice/changing/tree/main"
    page.get_by_label("GitHub Repository").fill(repository)
    page.get_by_role("button", name="Make Site").click()
    page.wait_for_url(address(stack, f"/sites/{site}"))
    wait_until_shown(page, page.get_by_role("row").filter(has_text="New version").first, scripts)
    page.get_by_role("link", name=f"http://{site}.localhost:{stack.port}/").click()
    assert page.inner_text("body") == f"{site} 1"
    assert (published(stack, site)["name"], published(stack, site)["versions"]) == (site, 1)
    assert verify(stack, site)[0] == 0
    # The next version, without a notice.
    page.goto(address(stack, f"/sites/{site}"))
    if scripts:
        commit_version(stack, f"{site} 2")
        page.get_by_role("button", name="Deploy the Newest Commit").click()
    else:
        page.get_by_role("button", name="Set Up a Webhook").click()
        secret = page.get_by_text("Secret: ").locator("code").inner_text()
        commit_version(stack, f"{site} 2")
        tell_of_push(stack, site, secret)
        page.goto(address(stack, f"/sites/{site}"))
    expect(page.get_by_text("A new version is on its way")).to_be_visible()
    rows = page.get_by_role("row").filter(has_text="New version")
    assert soon(lambda: shown_again(page, scripts) and rows.count() == 2, DEPLOY_MS / 1_000)
    assert serves(stack, site, f"{site} 2")
    assert verify(stack, site)[0] == 0
    # Back at once, and forth again after a week, which is withdrawn.
    page.get_by_role("button", name="Go Back").click()
    expect(page.get_by_role("row").filter(has_text="Back to")).to_be_visible()
    assert serves(stack, site, f"{site} 1")
    assert verify(stack, site)[0] == 0
    page.get_by_label("Notice").select_option("week")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_role("row").filter(has_text="Notice: a week")).to_be_visible()
    page.get_by_role("button", name="Switch", exact=True).click()
    announced = page.get_by_role("table", name="Announced")
    expect(announced.get_by_role("link", name="Compare")).to_be_visible()
    visitor = new_page(java_script_enabled=scripts)
    visitor.goto(address(stack, f"/sites/{site}"))
    expect(visitor.get_by_role("table", name="Announced")).to_be_visible()
    expect(visitor.get_by_role("button", name="Withdraw")).to_have_count(0)
    page.get_by_role("button", name="Withdraw").click()
    expect(announced).to_have_count(0)
    # What dispatch has kept of it may be a minute old.
    assert soon(lambda: published(stack, site)["versions"] == 2, LEASE_SECONDS)
    assert verify(stack, site, "--history")[0] == 0
    # It is deleted, and its history stays.
    page.locator("summary", has_text="Delete Site").click()
    page.get_by_role("button", name=f"Delete {site}").click()
    expect(page.get_by_text("This site was deleted on")).to_be_visible()
    assert soon(lambda: stack.get(site).status_code == 410, LEASE_SECONDS)
    visitor.goto(address(stack, f"/sites/{site}"))
    expect(visitor.get_by_role("row").filter(has_text="Site deleted")).to_be_visible()


def published(stack: RunningStack, site: str) -> dict[str, Any]:
    """The site's part of what its address says of it."""
    found: dict[str, Any] = stack.get(site, "/.well-known/codius").json()["site"]
    return found


def shown_again(page: Page, scripts: bool) -> bool:
    """Without scripts a page shows what is new when it is loaded again."""
    if scripts:
        page.wait_for_timeout(RELOAD_MS)
    else:
        page.reload()
    return True
