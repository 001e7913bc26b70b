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
    """One system under load once, and what its objects did meanwhile."""

    load: Load
    counts: Counts


@dataclass(frozen=True, slots=True)
class Summary:
    """One system's turns: medians of rates and percentiles, sums of counts."""

    requests_per_second: float
    p50: float
    p99: float
    calls: float
    rows_read: float
    rows_written: float

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


def throughput_ratio(ours: Sequence[Turn], source: Sequence[Turn]) -> float:
    """Median of the rounds' ratios of requests/s."""
    pairs = zip(ours, source, strict=True)
    return median(one.load.requests_per_second / other.load.requests_per_second for one, other in pairs)


def p50_ratio(ours: Sequence[Turn], source: Sequence[Turn]) -> float:
    """Median of the rounds' ratios of the median latency."""
    pairs = zip(ours, source, strict=True)
    return median(
        percentile(one.load.durations, 50) / percentile(other.load.durations, 50) for one, other in pairs
    )
