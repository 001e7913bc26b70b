"""The example of the first run: deployed through the dashboard, as alice would in her browser."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

USER = "alice"
SOURCE = "codius/examples/tree/main/hello"
SECONDS = 120


class ExampleError(Exception):
    """The example can't be deployed; the message says which step failed."""


async def deploy_example(dashboard: str, state: Path) -> str:
    """Begin the deploy, in the first run of a state folder; return the app's id. Raises ExampleError."""
    kept = state / "example"
    if not kept.exists():
        try:
            async with httpx.AsyncClient(base_url=dashboard, timeout=SECONDS) as browser:
                kept.write_text(await deploy(browser))
        except httpx.HTTPError as error:
            raise ExampleError(f"the example could not be deployed: {error!r}") from error
    return kept.read_text()


async def deploy(browser: httpx.AsyncClient) -> str:
    """Log in, which the browser is from then on, and begin a deploy; return the app's id."""
    await log_in(browser)
    page = await follow(browser, "POST", "/apps", {"repository": SOURCE})
    return page.rpartition("/")[2]


async def log_in(browser: httpx.AsyncClient) -> None:
    """By the local GitHub's page, which asks who one is."""
    page = await follow(browser, "GET", "/login/github")
    asked = dict(parse_qsl(urlsplit(page).query))
    callback = await follow(browser, "POST", page, {**asked, "login": USER})
    await follow(browser, "GET", callback)


async def follow(
    browser: httpx.AsyncClient, method: str, url: str, form: dict[str, str] | None = None
) -> str:
    """Return where an answer leads. Raises ExampleError when it leads nowhere."""
    answer = await browser.request(method, url, data=form, headers={"sec-fetch-site": "same-origin"})
    if "location" not in answer.headers:
        raise ExampleError(f"the example could not be deployed: {method} {url} answered {answer.status_code}")
    for cookie in browser.cookies.jar:
        cookie.secure = False  # a browser sends them to localhost, as it trusts that
    return urljoin(str(answer.url), answer.headers["location"])
