"""Reports of a deploy and its deletion at once: a deleted app's account ends closed, in every order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hosting.removals import Removals
from model.app import App
from model.progress import RunReport
from tests.dashboard.canned import CannedServer
from tests.dashboard.dashboard_site import CLOUDFLARE, GITHUB, Site
from tests.dashboard.turns import Actor, orders, steps_of, take_turns

APP, RUN = "bcdfghjkmnpq", 7
SUCCEEDED = RunReport(RUN, 1, "deployed", app_id=APP)


class Race:
    """An app whose last webhook is on its way while its deployer deletes it."""

    def __init__(self) -> None:
        cloudflare, github = CannedServer(), CannedServer()
        cloudflare.on("DELETE", f"/scripts/{APP}", content={"success": True, "errors": [], "result": None})
        github.on("POST", f"/runs/{RUN}/cancel", 202, {})
        self.site = Site({CLOUDFLARE: cloudflare, GITHUB: github})
        self.deployments = self.site.services.deployments
        self.removals: Removals = self.site.services.removals

    async def begin(self) -> App:
        await self.site.add_app(APP)
        await self.site.database.execute("UPDATE apps SET status = 'deploying', run_id = ?", RUN)
        take_turns(self.site)
        return await self.site.app(APP)

    def report(self) -> Any:
        return self.deployments.report(APP, SUCCEEDED, self.site.now)

    def delete(self, app: App) -> Any:
        return self.removals.delete(app, self.site.now)

    async def upkeep(self) -> None:
        """What was left half done is finished; twice, as a run that goes on is cancelled first."""
        for _ in range(2):
            self.site.now += 1_000_000
            app = await self.site.app(APP)
            if app.deleted_at is not None and app.removed_at is None:
                await self.removals.finish(app, self.site.now)

    async def require_closed(self) -> None:
        account = await self.site.services.billing.account(APP)
        assert account is not None
        assert account.closed_at is not None
        assert account.remaining_requests == 0
        assert (await self.site.app(APP)).status == "deleted"


async def steps() -> tuple[int, int]:
    """How many steps the report and the deletion take, each alone."""
    reported, deleted = Race(), Race()
    await reported.begin()
    return await steps_of(reported.report()), await steps_of(deleted.delete(await deleted.begin()))


def racing(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


def test_whatever_the_order_of_a_deploys_last_report_and_its_deletion_the_account_ends_closed() -> None:
    async def work() -> None:
        reporting, deleting = await steps()
        assert reporting > 2
        assert deleting > 4
        # Steps that are taken again after a lost race come at the end.
        for order in orders(reporting, deleting):
            race = Race()
            app = await race.begin()
            report, deletion = Actor(race.report()), Actor(race.delete(app))
            for is_deletion in order:
                await (deletion if is_deletion else report).step()
            for actor in (report, deletion):
                await actor.finish()
                actor.task.result()
            await race.upkeep()
            await race.require_closed()

    racing(work)


@pytest.mark.parametrize("dies", ["the report", "the deletion"])
def test_whoever_dies_between_two_steps_a_deleted_app_ends_closed(dies: str) -> None:
    async def work() -> None:
        reporting, deleting = await steps()
        most = {"the report": (deleting, reporting), "the deletion": (reporting, deleting)}[dies]
        for first in range(most[0] + 1):
            for lived in range(most[1] + 1):
                race = Race()
                app = await race.begin()
                report, deletion = Actor(race.report()), Actor(race.delete(app))
                dying, other = (report, deletion) if dies == "the report" else (deletion, report)
                for _ in range(first):
                    await other.step()
                for _ in range(lived):
                    await dying.step()
                await dying.die()
                await other.finish()
                other.task.result()
                if (await race.site.app(APP)).deleted_at is None:
                    await race.delete(await race.site.app(APP))
                # GitHub delivers the report again.
                await race.report()
                await race.upkeep()
                await race.require_closed()

    racing(work)


def test_what_is_open_is_open_again_after_a_death_between_opening_and_noting() -> None:
    async def work() -> None:
        race = Race()
        await race.begin()
        for lived in range(4):
            report = Actor(race.report())
            for _ in range(lived):
                await report.step()
            await report.die()
        await race.report()
        assert (await race.site.app(APP)).status == "deployed"
        account = await race.site.services.billing.account(APP)
        assert account is not None
        assert account.closed_at is None

    racing(work)
