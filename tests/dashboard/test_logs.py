"""What is left in the log of requests that were refused or failed: one line of JSON for each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from tests.dashboard.dashboard_site import ALICE, Site

Ask = tuple[str, str, dict[str, str]]
APP = "bcdfghjkmnpq"
ELSEWHERE = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}


def on_site(work: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        site = Site()
        await site.deployed_app(APP, ALICE)
        await work(site)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("ask", "status", "level", "event", "message"),
    [
        (("GET", "/nothing?secret=1", {}), 404, "info", "refused", "404: Not Found"),
        (("POST", "/logout", ELSEWHERE), 403, "info", "refused", "403: Changes are accepted only"),
        (("PUT", "/apps", {}), 405, "info", "refused", "405: "),
        (("POST", "/webhooks/github", {}), 401, "error", "refused", "401: The signature is missing"),
        (("POST", "/webhooks/stripe", {}), 400, "error", "refused", "400: The signature is missing, wrong"),
    ],
)
def test_a_refused_request_is_one_line_with_the_id_that_its_sender_got(
    ask: Ask, status: int, level: str, event: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(site: Site) -> None:
        method, path, headers = ask
        own = {"origin": site.services.settings.dashboard_url, "cf-ray": "8f2-FRA"}
        response = await site.visitor().ask(method, path, {**own, **headers}, "")
        assert response.status_code == status
        assert response.headers["x-request-id"] == "8f2-FRA"
        captured = capsys.readouterr()
        line = json.loads(captured.err if level == "error" else captured.out)
        assert captured.err == "" or level == "error"
        assert line.pop("message").startswith(message)
        known = {"level": level, "worker": "dashboard", "event": event, "request_id": "8f2-FRA"}
        assert line == {**known, "path": path.partition("?")[0]}

    on_site(work)


def test_a_request_that_fails_is_one_line_that_tells_more_than_the_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def work(site: Site) -> None:
        site.billing.is_down = True
        response = await site.visitor().get(f"/apps/{APP}/402")
        line = json.loads(capsys.readouterr().err)
        assert (response.status_code, line["event"], line["level"]) == (503, "unavailable", "error")
        assert line["request_id"] == response.headers["x-request-id"]
        assert line["request_id"] in response.text
        assert line["message"].startswith("BillingUnavailableError")

    on_site(work)
