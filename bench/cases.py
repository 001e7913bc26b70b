"""What is measured: each case puts one load on its systems, turn by turn, for several rounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.config import OBJECT_DELAY_MS
from bench.figures import Counts, Load, Turn
from bench.workerd import Workerd

CONNECTIONS = 16
MANY_APPS = 1_000
FAR_APPS = 100
MAX_ROUNDS = 100
SITE_NAME = "site"
WARM_SECONDS = 1.0
# What goes once through its apps takes some seconds; on the slowest machine it is cut off after so many.
MOST_SECONDS = 20.0
# An app whose requests come at a pace is asked for so long: its leases grow in the first minute, live one
# minute, and are counted in the second.
PACED_SECONDS = 60
# So many apps at a pace that each minute takes the same number of requests, as far as there are so many apps.
APPS_PER_PACED_SECOND = 80

Turns = dict[str, list[Turn]]


@dataclass(frozen=True, slots=True)
class Case:
    """`apps` are asked for in turn, over so many connections; of `far` systems the objects are far away.

    `quiet` apps are each asked once, and of each the lease before has gone. Those with a `pace` are asked
    once in so many seconds, by a clock that each request moves on. A `site` is asked for by its name.
    """

    title: str
    systems: tuple[str, ...]
    apps: int = 1
    connections: int = CONNECTIONS
    far: bool = False
    quiet: bool = False
    pace: float | None = None
    site: bool = False
    most_rounds: int = 3

    def hosts(self, passes: int) -> list[list[str]]:
        """For each connection the hosts that it asks for, so that together they go in turn."""
        apps = [SITE_NAME] if self.site else app_names(self.apps)
        names = [f"{name}.localhost" for name in apps] * passes
        return [names[number :: self.connections] for number in range(self.connections)]


def at_pace(pace: float) -> Case:
    apps = min(MANY_APPS, int(pace * APPS_PER_PACED_SECOND))
    return Case(f"each app once in {pace:g} s", ("source", "ours"), apps, pace=pace, most_rounds=2)


HOT = Case("one hot app", ("source", "ours", "bare"), most_rounds=MAX_ROUNDS)
SITE = Case("one hot site", ("source", "ours"), site=True)
FAR = Case(f"one app, +{OBJECT_DELAY_MS} ms, 1 connection", ("source", "ours"), connections=1, far=True)
FAR_HOT = Case(f"one hot app, +{OBJECT_DELAY_MS} ms", ("source", "ours"), far=True)
QUIET = Case(f"{MANY_APPS:,} quiet apps", ("source", "ours", "bare"), MANY_APPS, quiet=True)
QUIET_FAR = Case(
    f"quiet apps, +{OBJECT_DELAY_MS} ms, 1 connection",
    ("source", "ours"),
    FAR_APPS,
    connections=1,
    far=True,
    quiet=True,
)
PACED = tuple(at_pace(pace) for pace in (0.5, 1, 2, 5, 10, 20, 60))
CASES = (HOT, SITE, FAR, FAR_HOT, QUIET, QUIET_FAR, *PACED)


def app_names(apps: int) -> list[str]:
    return [f"app{number}" for number in range(apps)]


class Bench:
    """Measures cases on one running workerd; `folder` takes the plans of the load."""

    def __init__(self, workerd: Workerd, folder: Path) -> None:
        self._workerd = workerd
        self._folder = folder

    async def open_accounts(self) -> None:
        for system in ("source", "ours"):
            await self._workerd.open_accounts(system, [*app_names(MANY_APPS), SITE_NAME])

    async def measure(self, case: Case, rounds: int, seconds: float) -> Turns:
        """Each system's turns, one in each round, at most so many; every second round goes backwards."""
        turns: Turns = {system: [] for system in case.systems}
        for number in range(min(rounds, case.most_rounds)):
            for system in case.systems[:: -1 if number % 2 else 1]:
                turns[system].append(await self._turn(case, system, seconds))
                if system == "ours":
                    await self._workerd.forget_leases()
        return turns

    async def _turn(self, case: Case, system: str, seconds: float) -> Turn:
        if case.quiet:
            return await self._quiet_turn(case, system)
        if case.pace is not None and system == "ours":
            return await self._paced_turn(case, case.pace)
        hosts = case.hosts(passes=case.connections)
        await self._put(case, system, hosts, WARM_SECONDS)
        return await self._counted(case, system, hosts, seconds)

    async def _quiet_turn(self, case: Case, system: str) -> Turn:
        """Once through all apps, after a pass that has started their objects."""
        await self._put(case, system, case.hosts(1), MOST_SECONDS, once=True)
        if system == "ours":
            await self._workerd.forget_leases()
        return await self._counted(case, system, case.hosts(1), MOST_SECONDS, once=True)

    async def _paced_turn(self, case: Case, pace: float) -> Turn:
        """A minute in which the leases grow, then the one that counts."""
        warm = await self._put(case, "ours", case.hosts(1), MOST_SECONDS, once=True)
        await self._workerd.forget_leases()
        await self._workerd.pace(1_000 * pace / case.apps, warm.requests_per_second)
        hosts = case.hosts(round(PACED_SECONDS / pace))
        await self._put(case, "ours", hosts, MOST_SECONDS, once=True)
        return await self._counted(case, "ours", hosts, MOST_SECONDS, once=True)

    async def _counted(
        self, case: Case, system: str, hosts: list[list[str]], seconds: float, once: bool = False
    ) -> Turn:
        before, processor = await self._counts(system), self._workerd.processor_seconds()
        result = await self._put(case, system, hosts, seconds, once)
        used = self._workerd.processor_seconds() - processor
        return Turn(result, await self._counts(system) - before, used)

    async def _put(
        self, case: Case, system: str, hosts: list[list[str]], seconds: float, once: bool = False
    ) -> Load:
        port = self._workerd.ports[f"{system}-far" if case.far else system]
        return await load.put(self._folder, port, hosts, seconds, once)

    async def _counts(self, system: str) -> Counts:
        return Counts(0, 0, 0) if system == "bare" else await self._workerd.counts(system)
