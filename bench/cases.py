"""What is measured: each case puts one load on its systems, turn by turn, for several rounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.config import OBJECT_DELAY_MS
from bench.figures import Counts, Load, Turn
from bench.workerd import Workerd

CONNECTIONS = 16
MANY_APPS = 1_000
MAX_ROUNDS = 100
WARM_SECONDS = 1.0
# With many apps, at the rate of this case: an app's first leases are of 1, 4 and 16 requests. So many
# passes bring each to its lease of 16; in so many more each uses it up and takes the next.
GROWING_PASSES = 6
STEADY_PASSES = 16
# Dispatch settles an app's lease after 5 s without a request.
QUIET_SECONDS = 5.5
SETTLE_POLL_SECONDS = 0.5

Turns = dict[str, list[Turn]]


@dataclass(frozen=True, slots=True)
class Case:
    """`apps` are asked for in turn, over so many connections; of `far` systems the objects are far away."""

    title: str
    systems: tuple[str, ...]
    apps: int = 1
    connections: int = CONNECTIONS
    far: bool = False
    most_rounds: int = 3

    def hosts(self, passes: int) -> list[list[str]]:
        """For each connection the hosts that it asks for, so that together they go in turn."""
        names = [f"{name}.localhost" for name in app_names(self.apps)] * passes
        return [names[number :: self.connections] for number in range(self.connections)]


HOT = Case("one hot app", ("source", "ours", "bare"), most_rounds=MAX_ROUNDS)
FAR = Case(f"one app, +{OBJECT_DELAY_MS} ms, 1 connection", ("source", "ours"), connections=1, far=True)
FAR_HOT = Case(f"one hot app, +{OBJECT_DELAY_MS} ms", ("source", "ours"), far=True)
MANY = Case(f"{MANY_APPS:,} apps in turn", ("source", "ours", "bare"), MANY_APPS)


def app_names(apps: int) -> list[str]:
    return [f"app{number}" for number in range(apps)]


class Bench:
    """Measures cases on one running workerd; `folder` takes the plans of the load."""

    def __init__(self, workerd: Workerd, folder: Path) -> None:
        self._workerd = workerd
        self._folder = folder

    async def open_accounts(self) -> None:
        for system in ("source", "ours"):
            await self._workerd.open_accounts(system, app_names(MANY_APPS))

    async def measure(self, case: Case, rounds: int, seconds: float) -> Turns:
        """Each system's turns, one in each round, at most so many; every second round goes backwards."""
        turns: Turns = {system: [] for system in case.systems}
        for number in range(min(rounds, case.most_rounds)):
            for system in case.systems[:: -1 if number % 2 else 1]:
                take_turn = self._leasing_turn if case is MANY and system == "ours" else self._turn
                turns[system].append(await take_turn(case, system, seconds))
        return turns

    async def _turn(self, case: Case, system: str, seconds: float) -> Turn:
        hosts = case.hosts(passes=case.connections)
        await self._put(case, system, hosts, WARM_SECONDS)
        return await self._counted(case, system, hosts, seconds)

    async def _leasing_turn(self, case: Case, system: str, _: float) -> Turn:
        """Whole passes, so that each app's leases count as they do in the long run."""
        await self._put(case, system, case.hosts(GROWING_PASSES), None)
        turn = await self._counted(case, system, case.hosts(STEADY_PASSES), None)
        await self._wait_until_settled()
        return turn

    async def _counted(self, case: Case, system: str, hosts: list[list[str]], seconds: float | None) -> Turn:
        before = await self._counts(system)
        result = await self._put(case, system, hosts, seconds)
        return Turn(result, await self._counts(system) - before)

    async def _put(self, case: Case, system: str, hosts: list[list[str]], seconds: float | None) -> Load:
        port = self._workerd.ports[f"{system}-far" if case.far else system]
        return await load.put(self._folder, port, hosts, seconds)

    async def _counts(self, system: str) -> Counts:
        return Counts(0, 0, 0) if system == "bare" else await self._workerd.counts(system)

    async def _wait_until_settled(self) -> None:
        """Let the leases of many apps go back before another system has its turn."""
        await asyncio.sleep(QUIET_SECONDS)
        before = None
        while (counts := await self._counts("ours")) != before:
            before = counts
            await asyncio.sleep(SETTLE_POLL_SECONDS)
