"""What a run's measurements come to: percentiles, ratios, and Cloudflare's price of the counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

# US dollars per million, list prices of the Workers Paid plan beyond what it includes.
DISPATCH_REQUESTS = 0.30
OBJECT_REQUESTS = 0.15
ROWS_WRITTEN = 1.00
ROWS_READ = 0.001
PROCESSOR_MS = 0.02
# Where a system's ratio to another differs more than this between rounds, a bound within can't be judged.
MOST_SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class Counts:
    """What a system's billing objects did: calls of their methods, rows as SQLite counts them."""

    calls: int
    rows_read: int
    rows_written: int

    def __sub__(self, earlier: Counts) -> Counts:
        return Counts(
            self.calls - earlier.calls,
            self.rows_read - earlier.rows_read,
            self.rows_written - earlier.rows_written,
        )


@dataclass(frozen=True, slots=True)
class Load:
    """What the load saw: the milliseconds of each answered request. `sent` has unanswered ones, too."""

    durations: Sequence[float]
    sent: int
    seconds: float

    @property
    def requests_per_second(self) -> float:
        return len(self.durations) / self.seconds


@dataclass(frozen=True, slots=True)
class Turn:
    """One system under load once, what its objects did meanwhile, and workerd's processor time in seconds."""

    load: Load
    counts: Counts
    processor_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """One system's turns: medians of rates and percentiles, sums of counts.

    `processor_us` is workerd's for a request, in microseconds: the server, the app, and what is between.
    """

    requests_per_second: float
    p50: float
    p99: float
    calls: float
    rows_read: float
    rows_written: float
    processor_us: float

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> Summary:
        sent = sum(turn.load.sent for turn in turns)

        def per_thousand(name: str) -> float:
            total: int = sum(getattr(turn.counts, name) for turn in turns)
            return 1_000 * total / sent

        return cls(
            requests_per_second=median(turn.load.requests_per_second for turn in turns),
            p50=median(percentile(turn.load.durations, 50) for turn in turns),
            p99=median(percentile(turn.load.durations, 99) for turn in turns),
            calls=per_thousand("calls"),
            rows_read=per_thousand("rows_read"),
            rows_written=per_thousand("rows_written"),
            processor_us=1e6 * sum(turn.processor_seconds for turn in turns) / sent,
        )

    @property
    def object_cost(self) -> float:
        """Dollars per million requests for the billing objects alone."""
        return (
            self.calls * OBJECT_REQUESTS + self.rows_written * ROWS_WRITTEN + self.rows_read * ROWS_READ
        ) / 1_000


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all are not above (nearest rank)."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


@dataclass(frozen=True, slots=True)
class Figure:
    """What the rounds found: each a value, of which the median counts."""

    rounds: Sequence[float]

    @property
    def value(self) -> float:
        return median(self.rounds)

    @property
    def spread(self) -> float:
        """How far apart the rounds are, as a part of their median."""
        return (max(self.rounds) - min(self.rounds)) / self.value if self.value else 0.0

    def reaches(self, bound: float, more_is_better: bool) -> bool | None:
        """None: the rounds are too far apart, on both sides of the bound, to tell."""
        if self.spread > MOST_SPREAD and min(self.rounds) < bound < max(self.rounds):
            return None
        return self.value >= bound if more_is_better else self.value <= bound


def throughput_ratio(ours: Sequence[Turn], others: Sequence[Turn]) -> Figure:
    """The rounds' ratios of requests/s."""
    pairs = zip(ours, others, strict=True)
    return Figure([one.load.requests_per_second / other.load.requests_per_second for one, other in pairs])


def p50_ratio(ours: Sequence[Turn], others: Sequence[Turn]) -> Figure:
    """The rounds' ratios of the median latency."""
    pairs = zip(ours, others, strict=True)
    return Figure(
        [percentile(one.load.durations, 50) / percentile(other.load.durations, 50) for one, other in pairs]
    )
