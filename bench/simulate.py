"""How leases should be sized and returned: rules for it, under traffic like that of quiet and busy apps.

`python -m bench.simulate` writes its tables into docs/performance.md. It is arithmetic, without a Worker:
what is simulated is dispatch's own `leases.py`, and other rules in its place. The same numbers each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bench.tables import PAGE, insert, table
from dispatch.leases import MAX_BLOCK, QUIET_MS, Lease, Meter

BEGIN, END = "<!-- bench.simulate: begin -->", "<!-- bench.simulate: end -->"
LEASE_MS = 60_000
REQUESTS = 1_000
BURST, BURST_STEP_MS = 10, 500
PACES_MS = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000)
INSTANCES = (1, 5, 20)

Traffic = Callable[[random.Random, int], Iterator[int]]


def regular(_: random.Random, pace: int) -> Iterator[int]:
    for number in range(REQUESTS):
        yield number * pace


def poisson(chance: random.Random, pace: int) -> Iterator[int]:
    now = 0.0
    for _ in range(REQUESTS):
        now += chance.expovariate(1 / pace)
        yield int(now)


def bursts(chance: random.Random, pace: int) -> Iterator[int]:
    """Pages of ten requests half a second apart, as many requests as at that pace."""
    now = 0.0
    for _ in range(REQUESTS // BURST):
        now += BURST * BURST_STEP_MS + chance.expovariate(1 / max(1, BURST * (pace - BURST_STEP_MS)))
        for number in range(BURST):
            yield int(now) + number * BURST_STEP_MS


TRAFFIC: dict[str, Traffic] = {"regular": regular, "Poisson": poisson, "bursts": bursts}


@dataclass(slots=True)
class Growing(Meter):
    """Four times as much after a lease that was used up within ten seconds; else what was used."""

    block: int = 1

    def next_block(self, now: int) -> int:
        lease = self.lease
        if lease is not None and lease.left == 0 and now - lease.taken_at < 10_000:
            self.block = min(MAX_BLOCK, self.block * 4)
        elif lease is not None:
            self.block = max(1, min(self.block, lease.used))
        return self.block


class Largest(Meter):
    """As much as there may be, whatever the traffic."""

    def next_block(self, now: int) -> int:
        return MAX_BLOCK


@dataclass(frozen=True, slots=True)
class Rule:
    """What is left of a lease goes back when its app was quiet for so long, or with the next call."""

    title: str
    meter: type[Meter]
    lease_ms: int
    quiet_ms: int


CHOSEN = Rule("by pace, 60 s, back after 22 s", Meter, LEASE_MS, QUIET_MS)
RULES = (
    CHOSEN,
    Rule("by pace, 60 s, back after 5 s", Meter, LEASE_MS, 5_000),
    Rule("by pace, 30 s, back after 5 s", Meter, 30_000, 5_000),
    Rule("four times as much, 30 s, back after 5 s", Growing, 30_000, 5_000),
    Rule("always 1,000, 60 s, back after 22 s", Largest, LEASE_MS, QUIET_MS),
)


@dataclass(slots=True)
class Outcome:
    """Of all requests: the calls of the object; how many requests are in leases, and used but not told."""

    requests: int = 0
    calls: int = 0
    leased: list[int] = field(default_factory=list)
    untold: list[int] = field(default_factory=list)

    @property
    def calls_per_1000(self) -> float:
        return 1_000 * self.calls / self.requests


def simulate(rule: Rule, traffic: Traffic, pace: int, instances: int) -> Outcome:
    """Each request goes to one of the instances, by chance."""
    chance = random.Random(pace * instances)  # noqa: S311 - the same traffic each time
    outcome = Outcome()
    meters = [rule.meter() for _ in range(instances)]
    for now in traffic(chance, pace):
        running = list(leases_running(meters))
        for lease in running:
            if lease.spent_at + rule.quiet_ms <= now:
                lease.is_settled = True
                outcome.calls += 1
        outcome.leased.append(sum(lease.granted for lease in running if not lease.is_settled))
        outcome.untold.append(sum(lease.used for lease in running if not lease.is_settled))
        meter = chance.choice(meters)
        if not meter.spend(now):
            block = meter.next_block(now)
            if meter.lease is not None:
                meter.lease.is_settled = True  # by the same call
            meter.grant(None if block == 1 else now, block, now, rule.lease_ms)
            outcome.calls += 1
            assert meter.spend(now), f"a lease of {block} serves nothing"
        outcome.requests += 1
    return outcome


def leases_running(meters: list[Meter]) -> Iterator[Lease]:
    for meter in meters:
        if meter.lease is not None and meter.lease.is_owed:
            yield meter.lease


def tables() -> str:
    return f"{table_of_paces()}\n\n{table_of_rules()}"


def table_of_paces() -> str:
    """Calls for 1,000 requests, by the rule that was chosen."""
    header = ("traffic", "instances", *(f"1 in {pace / 1_000:g} s" for pace in PACES_MS))
    rows = [
        (
            name,
            str(instances),
            *(f"{simulate(CHOSEN, traffic, pace, instances).calls_per_1000:,.0f}" for pace in PACES_MS),
        )
        for name, traffic in TRAFFIC.items()
        for instances in INSTANCES
    ]
    return table(header, rows)


def table_of_rules() -> str:
    """All rules, by Poisson traffic from one instance: what they cost, and what they have outside."""
    paces = (1_000, 10_000, 60_000)
    header = (
        "rule",
        *(f"calls at 1 in {pace // 1_000} s" for pace in paces),
        *(f"in leases at 1 in {pace // 1_000} s" for pace in paces),
        *(f"used, not told at 1 in {pace // 1_000} s" for pace in paces),
    )
    rows = []
    for rule in RULES:
        found = [simulate(rule, poisson, pace, 1) for pace in paces]
        rows.append(
            (
                rule.title,
                *(f"{outcome.calls_per_1000:,.0f}" for outcome in found),
                *(f"{sum(outcome.leased) / outcome.requests:.1f}" for outcome in found),
                *(f"{sum(outcome.untold) / outcome.requests:.1f}" for outcome in found),
            )
        )
    return table(header, rows)


if __name__ == "__main__":
    insert(tables(), BEGIN, END)
    print(f"{tables()}\n\nWritten to {PAGE.name}.")
