"""Several actors at work at once, who go on and die when the test says so.

Each stops before every call to the outside (a statement of D1's, a call of an object, a question to another
server), so that two of them can meet at any point, and a death between any two steps can be tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextvars import ContextVar
from itertools import combinations
from typing import Any

from tests.dashboard.dashboard_site import Site

Work = Coroutine[Any, Any, Any]
ACTOR: ContextVar[Actor | None] = ContextVar("actor", default=None)


class Actor:
    """Something that is being done, from its first step on."""

    def __init__(self, work: Work) -> None:
        self._next: asyncio.Future[None] | None = None
        token = ACTOR.set(self)
        self.task = asyncio.create_task(work)
        ACTOR.reset(token)

    @property
    def is_done(self) -> bool:
        return self.task.done()

    async def pause(self) -> None:
        self._next = asyncio.get_running_loop().create_future()
        await self._next

    async def settle(self) -> None:
        """Wait until it has stopped before its next step, or is done."""
        while not self.is_done and (self._next is None or self._next.done()):
            await asyncio.sleep(0)

    async def step(self) -> None:
        """Let it take one step; nothing when it is done."""
        await self.settle()
        if not self.is_done and self._next is not None:
            self._next.set_result(None)
            await self.settle()

    async def finish(self) -> None:
        while not self.is_done:
            await self.step()

    async def die(self) -> None:
        """It does nothing more; what it has not done yet never happens."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def take_turns(site: Site) -> None:
    """From now on every `Actor` stops before each call to the outside; everything else runs through."""

    async def pause() -> None:
        actor = ACTOR.get()
        if actor is not None:
            await actor.pause()

    site.pause = site.billing.pause = pause
    site.database.pause = pause


async def steps_of(work: Work) -> int:
    """How many steps there are until it is done."""
    actor = Actor(work)
    steps = 0
    await actor.settle()
    while not actor.is_done:
        await actor.step()
        steps += 1
    actor.task.result()
    return steps


def orders(first: int, second: int) -> Iterator[tuple[bool, ...]]:
    """Every order of so many steps of two actors: True where it is the second's turn."""
    for turns in combinations(range(first + second), second):
        yield tuple(turn in turns for turn in range(first + second))
