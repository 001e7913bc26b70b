"""Whether an app's Worker is there: asked of Cloudflare, seldom, and without it nothing takes money."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clients.cloudflare import CloudflareError
from hosting.presence import BUDGET
from local.cloudflare.namespace_store import NamespaceStore
from local.cloudflare.namespaces import DispatchNamespaces
from local.cloudflare.upload import Part, script_from
from tests.dashboard.canned import CannedServer
from tests.dashboard.dashboard_site import ALICE, BOB, CLOUDFLARE, SOURCE, Site

APP = "bcdfghjkmnpq"
TOP_UP = f"/apps/{APP}/top-up"


class Hosted:
    """A site with one deployed app, whose Worker the test uploads and deletes."""

    def __init__(self, folder: Path) -> None:
        self.store = NamespaceStore(folder)
        cloudflare = DispatchNamespaces(self.store, ("testing",), self.on_change).application()
        self.site = Site({CLOUDFLARE: cloudflare})
        self.presence = self.site.services.presence

    async def on_change(self, name: str) -> None:
        pass

    def upload(self, app_id: str = APP) -> None:
        part = Part("index.js", "application/javascript+module", b"export default {}")
        script = script_from('{"main_module": "index.js", "compatibility_date": "2026-11-01"}', [part], "now")
        self.store.put("testing", app_id, script | {"created_on": "now"})

    async def is_missing(self, app_id: str = APP) -> bool:
        return await self.presence.is_missing(app_id, self.site.now)

    async def missing_since(self, app_id: str = APP) -> int | None:
        return (await self.site.app(app_id)).missing_since

    def looks(self) -> int:
        """How often Cloudflare was asked for a script."""
        return sum("/scripts/" in asked and not asked.endswith("/content") for asked in self.site.asked)


def hosting(folder: Path, work: Callable[[Hosted], Awaitable[None]]) -> None:
    async def run() -> None:
        hosted = Hosted(folder)
        await hosted.site.deployed_app(APP)
        await work(hosted)

    asyncio.run(run())


def test_an_app_whose_worker_is_missing_takes_no_money_until_it_is_there_again(tmp_path: Path) -> None:
    async def work(hosted: Hosted) -> None:
        site = hosted.site
        site.billing.getByName(APP).use(100)
        assert TOP_UP in (await site.visitor().get(f"/apps/{APP}/402")).text
        assert await hosted.is_missing()
        assert await hosted.missing_since() == site.now
        for path in (f"/apps/{APP}", f"/apps/{APP}/402"):
            page = (await site.visitor().get(path)).text
            assert TOP_UP not in page
            assert "not at Cloudflare any more" in page
        assert (await site.visitor().post(TOP_UP)).status_code == 409

        hosted.upload()
        site.now += BUDGET.period_ms
        assert not await hosted.is_missing()
        assert await hosted.missing_since() is None
        assert TOP_UP in (await site.visitor().get(f"/apps/{APP}/402")).text

    hosting(tmp_path, work)


def test_a_check_that_finds_no_worker_notes_it_and_one_that_finds_it_clears_that(tmp_path: Path) -> None:
    async def work(hosted: Hosted) -> None:
        first = hosted.site.now
        for _ in range(2):
            await hosted.site.visitor().get(f"/apps/{APP}/attestation.json")
            assert await hosted.missing_since() == first
            hosted.site.now += BUDGET.period_ms
        hosted.upload()
        await hosted.site.visitor().get(f"/apps/{APP}/attestation.json")
        assert await hosted.missing_since() is None

    hosting(tmp_path, work)


def test_cloudflare_is_asked_once_a_minute_for_an_app_however_many_ask_at_once(tmp_path: Path) -> None:
    async def work(hosted: Hosted) -> None:
        hosted.upload()
        assert not any(await asyncio.gather(*(hosted.is_missing() for _ in range(20))))
        assert hosted.looks() == 1
        hosted.store.delete("testing", APP)
        assert not await hosted.is_missing()
        hosted.site.now += BUDGET.period_ms
        assert await hosted.is_missing()
        assert await hosted.is_missing()
        assert hosted.looks() == 2

    hosting(tmp_path, work)


def test_one_deployers_apps_leave_looks_for_the_others(tmp_path: Path) -> None:
    async def work(hosted: Hosted) -> None:
        ids = [f"app{number}" for number in range(BUDGET.all_looks)]
        for number, app_id in enumerate(ids):
            await hosted.site.deployed_app(app_id, ALICE, replace(SOURCE, directory=str(number)))
        await hosted.site.deployed_app("bobs", BOB)
        found = await asyncio.gather(*(hosted.is_missing(app_id) for app_id in ids))
        assert sum(found) == BUDGET.user_looks
        assert await hosted.is_missing("bobs")
        # Workers without a row are the operator's: they share what there is for all.
        by_hand = await asyncio.gather(*(hosted.is_missing(f"hand{number}") for number in range(100)))
        assert sum(by_hand) == BUDGET.all_looks - BUDGET.user_looks - 1

    hosting(tmp_path, work)


def test_a_worker_that_was_uploaded_by_hand_is_looked_for_too(tmp_path: Path) -> None:
    async def work(hosted: Hosted) -> None:
        hosted.upload("by-hand")
        assert not await hosted.is_missing("by-hand")
        hosted.store.delete("testing", "by-hand")
        hosted.site.now += BUDGET.period_ms
        assert await hosted.is_missing("by-hand")

    hosting(tmp_path, work)


@pytest.mark.parametrize("status", [404, 403, 500])
def test_an_api_that_does_not_know_says_nothing_of_the_app(tmp_path: Path, status: int) -> None:
    """As when the namespace is missing, or the token may not read it."""

    async def work(hosted: Hosted) -> None:
        server = CannedServer()
        server.on("GET", f"/scripts/{APP}", status)
        hosted.site.servers[CLOUDFLARE] = server
        with pytest.raises(CloudflareError):
            await hosted.is_missing()
        await hosted.site.visitor().get(f"/apps/{APP}/attestation.json")
        assert await hosted.missing_since() is None
        assert not await hosted.is_missing()

    hosting(tmp_path, work)
