"""What pages say of an app's state: the same in every place, and only what is so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from model.app import STATES, UNFINISHED
from tests.dashboard.dashboard_site import OPERATOR, Site

APP = "bcdfghjkmnpq"
CHANGES = {
    "missing": "missing_since = 1",
    "failed": "status = 'failed', failure = 'The build failed.'",
    "deleted": "status = 'deleted', deleted_at = 1",
}
BADGE = re.compile(r'<span class="badge (\w+)">(\w+)</span>')
CURRENT = re.compile(r'aria-current="step" aria-busy="true">(\w+)')


def on_site(work: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        site = Site()
        await site.deployed_app(APP, OPERATOR)
        await work(site)

    asyncio.run(run())


async def change(site: Site, state: str) -> None:
    await site.database.execute("UPDATE apps SET " + CHANGES.get(state, f"status = '{state}'"))


@pytest.mark.parametrize("state", STATES)
def test_a_state_has_one_word_on_every_page(state: str) -> None:
    async def work(site: Site) -> None:
        await change(site, state)
        visitor = site.visitor(OPERATOR)
        for path in ("/apps", f"/apps/{APP}", "/operator"):
            assert BADGE.findall((await visitor.get(path)).text) == [(state, state)], path
        assert f"<dt>Apps {state}</dt><dd>1</dd>" in (await visitor.get("/operator")).text
        steps = CURRENT.findall((await visitor.get(f"/apps/{APP}")).text)
        assert [step.lower() for step in steps] == ([state] if state in UNFINISHED[1:] else [])

    on_site(work)
