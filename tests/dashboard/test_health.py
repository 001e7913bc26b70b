"""`/healthz`: for everyone that it runs, for operators what it depends on."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from local.cloudflare.namespace_store import NamespaceStore
from local.cloudflare.namespaces import DispatchNamespaces
from tests.dashboard.canned import CannedServer
from tests.dashboard.dashboard_site import ALICE, CLOUDFLARE, GITHUB, OPERATOR, STRIPE, Site


def with_site(folder: Path, work: Callable[[Site], Awaitable[None]], **env: str | int) -> None:
    async def on_change(name: str) -> None:
        pass

    async def run() -> None:
        github = CannedServer()
        github.on("GET", "/actions/workflows/deploy-worker.yml", content={"id": 1})
        cloudflare = DispatchNamespaces(NamespaceStore(folder), ("testing",), on_change).application()
        stripe = CannedServer()
        stripe.on("GET", "/v1/checkout/sessions", content={"object": "list", "data": [], "has_more": False})
        await work(Site({CLOUDFLARE: cloudflare, GITHUB: github, STRIPE: stripe}, **env))

    asyncio.run(run())


@pytest.mark.parametrize("user", [None, ALICE])
def test_everyone_is_told_that_it_runs_and_no_more(tmp_path: Path, user: None) -> None:
    async def work(site: Site) -> None:
        site.billing.is_down = True
        response = await site.visitor(user).get("/healthz")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})
        assert response.headers["cache-control"] == "no-store"
        assert site.asked == []

    with_site(tmp_path, work)


def test_an_operator_is_told_of_what_it_depends_on(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        response = await site.visitor(OPERATOR).get("/healthz")
        assert response.status_code == 200, response.text
        content = response.json()
        assert content["status"] == "ok"
        assert content["dependencies"].keys() == {"billing", "cloudflare", "github", "payments"}
        assert all(part["status"] == "ok" for part in content["dependencies"].values())

    with_site(tmp_path, work)


@pytest.mark.parametrize(
    "missing", [{"TOP_UP_LEAST_CENTS": 0}, {"STRIPE_SECRET_KEY": ""}, {"STRIPE_WEBHOOK_SECRET": ""}]
)
def test_payments_that_are_not_set_up_are_no_failure(tmp_path: Path, missing: dict[str, str | int]) -> None:
    async def work(site: Site) -> None:
        response = await site.visitor(OPERATOR).get("/healthz")
        assert response.status_code == 200
        assert response.json()["dependencies"]["payments"] == {"status": "not configured"}

    with_site(tmp_path, work, **missing)


@pytest.mark.parametrize("part", ["billing", "cloudflare", "github", "payments"])
def test_what_fails_is_named(tmp_path: Path, part: str) -> None:
    async def work(site: Site) -> None:
        site.billing.is_down = part == "billing"
        servers = {"cloudflare": CLOUDFLARE, "github": GITHUB, "payments": STRIPE}
        site.servers.pop(servers.get(part, ""), None)
        response = await site.visitor(OPERATOR).get("/healthz")
        assert response.status_code == 503
        failed = [
            name for name, result in response.json()["dependencies"].items() if result["status"] == "failed"
        ]
        assert (response.json()["status"], failed) == ("failed", [part])

    with_site(tmp_path, work)


def test_a_workflow_or_a_namespace_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        site.servers[GITHUB] = site.servers[CLOUDFLARE] = CannedServer()
        dependencies = (await site.visitor(OPERATOR).get("/healthz")).json()["dependencies"]
        assert "no workflow deploy-worker.yml" in dependencies["github"]["message"]
        assert "no dispatch namespace testing" in dependencies["cloudflare"]["message"]

    with_site(tmp_path, work)


def test_an_operator_reads_it_in_words_with_what_waits_and_nobody_else_does(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        await site.add_app("bcdfghjkmnpq")
        site.now += 90_000
        site.billing.is_down = True
        page = " ".join(
            re.sub(r"<[^>]+>", " ", (await site.visitor(OPERATOR).get("/operator/health")).text).split()
        )
        assert "Billing's objects fails" in html.unescape(page)
        assert "GitHub answers in" in page
        assert "Under way 1" in page
        assert "Apps 1 the oldest for 1 min 30 s" in page
        # The operator's own page is there at once, and asks for this afterwards.
        asked = len(site.asked)
        assert 'hx-get="/operator/health"' in (await site.visitor(OPERATOR).get("/operator")).text
        assert len(site.asked) == asked
        for user in (None, ALICE):
            assert (await site.visitor(user).get("/operator/health")).status_code == 404

    with_site(tmp_path, work)
