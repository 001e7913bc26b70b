"""`make screenshots`: every page of the dashboard as a picture, in docs/images.

Wide and light, and narrow and dark: of a system of its own with an app that was used and paid for. Beside
them stands what they were made of: a test tells when a page has changed since.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from jinja2.meta import find_referenced_templates
from playwright.sync_api import Browser, Page, sync_playwright

from local.browser import NONE_LINE, find_browser
from tests.system.conftest import ARGUMENTS
from tests.system.journeys import (
    DEPLOY_MS,
    address,
    deploy,
    log_in,
    pay,
    submit_repository,
    top_up,
    wait_until_deployed,
)
from tests.system.running import ROOT, RunningStack

IMAGES = ROOT / "docs" / "images"
SHAPES = (("wide", 1280, "light"), ("phone", 375, "dark"))
DASHBOARD = ROOT / "dashboard"
# What each picture is rendered from.
TEMPLATES = {
    "home": "home.html",
    "apps": "apps.html",
    "app": "app.html",
    "attestation": "attestation.html",
    "sites": "sites.html",
    "site": "site.html",
    "402": "payment_required.html",
    "site-402": "site_payment_required.html",
    "top-up": "top_up.html",
    "payment": "payment.html",
    "payments": "payments.html",
    "account": "account.html",
    "docs": "docs.html",
    "operator": "operator.html",
    "health": "operator_health.html",
    "operator-apps": "operator_list.html",
    "suspend": "operator_act.html",
    "acts": "operator_acts.html",
    "not-found": "not_found.html",
    "form": "apps.html",
}
MADE_OF = IMAGES / "made-of.json"


def digests() -> dict[str, str]:
    """Of each picture, the digest of its templates and of the style sheet."""
    style = (DASHBOARD / "static" / "style.css").read_bytes()
    return {
        name: hashlib.sha256(b"".join([style, *sources_of(template)])).hexdigest()
        for name, template in TEMPLATES.items()
    }


def sources_of(template: str) -> list[bytes]:
    """A template and all that it extends, includes and imports, by their names."""
    loader = FileSystemLoader(DASHBOARD / "templates")
    environment, found, waiting = Environment(loader=loader, autoescape=True), {}, [template]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = loader.get_source(environment, name)[0]
            waiting += [other for other in find_referenced_templates(environment.parse(found[name])) if other]
    return [found[name].encode() for name in sorted(found)]


def prepare(page: Page, stack: RunningStack) -> tuple[str, str]:
    """Deploy examples as the operator; one has been used up and topped up.

    Return its id, and the path of its payment.
    """
    log_in(page, stack, "operator")
    deploy(page, stack, "codius/examples/tree/main/hello")
    wait_until_deployed(page)
    app = deploy(page, stack, "codius/examples/tree/main/palette")
    wait_until_deployed(page)
    for _ in range(100):
        stack.get(app)
    page.goto(address(stack, f"/apps/{app}"))
    top_up(page)
    pay(page)
    success = page.url.removeprefix(address(stack).rstrip("/"))
    for _ in range(150):
        stack.get(app)
    deploy(page, stack, "codius/examples/tree/main/hello-python")
    wait_until_settled(page, stack, app)
    page.goto(address(stack, f"/sites?app={app}"))
    page.get_by_label("Name", exact=True).fill("colours")
    page.get_by_label("Notice").select_option("day")
    page.get_by_role("button", name="Make Site").click()
    page.wait_for_url(address(stack, "/sites/colours"))
    return app, success


def wait_until_settled(page: Page, stack: RunningStack, app: str) -> None:
    """Until then the page doesn't count what was used of a lease."""
    page.goto(address(stack, f"/apps/{app}"))
    while not page.get_by_role("row", name="Requests 250", exact=True).count():
        page.wait_for_timeout(500)
        page.reload()


def take(page: Page, stack: RunningStack, app: str, success: str, shape: str) -> None:
    paths = {
        "home": "/",
        "app": f"/apps/{app}",
        "attestation": f"/apps/{app}/attestation",
        "site": "/sites/colours",
        "402": f"/apps/{app}/402",
        "site-402": "/sites/colours/402",
        "docs": "/docs/payers",
        "health": "/operator/health",
        "operator-apps": "/operator/apps",
        "suspend": f"/operator/suspend?kind=app&name={app}",
        "acts": "/operator/acts",
        "top-up": f"/apps/{app}/top-up",
        "payment": success,
        "not-found": "/nothing",
        "form": "/apps",
    }
    for name in TEMPLATES:
        page.goto(address(stack, paths.get(name, f"/{name}")))
        if name == "form":
            submit_repository(page, stack, "https://example.com/not/github")
        if name in ("app", "site", "attestation"):
            page.get_by_text("runs exactly what").wait_for(timeout=DEPLOY_MS)
        if name == "operator":
            page.get_by_text("Depends on").wait_for(timeout=DEPLOY_MS)
        page.screenshot(path=IMAGES / f"{name}-{shape}.png", full_page=True)


def run(browser: Browser, stack: RunningStack) -> None:
    context = browser.new_context()
    app, success = prepare(context.new_page(), stack)
    session = context.storage_state()
    for shape, width, theme in SHAPES:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=theme,  # type: ignore[arg-type]
            storage_state=session,
        )
        take(context.new_page(), stack, app, success, shape)
    MADE_OF.write_text(json.dumps(digests(), indent=2) + "\n")
    print(f"Written to {IMAGES.relative_to(ROOT)}/: {len(list(IMAGES.glob('*.png')))} pictures.")


def main() -> int:
    path = find_browser()
    if path is None:
        print(NONE_LINE, file=sys.stderr)
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, sync_playwright() as playwright:
        stack = RunningStack(Path(state))
        try:
            run(playwright.chromium.launch(executable_path=path, args=ARGUMENTS), stack.start())
        finally:
            stack.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
