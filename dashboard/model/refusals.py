"""What limits refuse, counted in memory: a refused request has no row of its own, whoever sends how many.

An instance writes down what it counted once in a while, so what it had counted since is lost when it ends.
Addresses are counted by their kind and never kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PERIOD_MS = 10_000
MOST_KEYS = 50
# Whoever is one too many to be named.
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A limit is named as its setting; `asker` is a user's id, or of what kind an address was."""

    limit: str
    asker: str
    times: int


@dataclass(slots=True)
class Tally:
    """Times are milliseconds since 1970."""

    _counts: dict[tuple[str, str], int] = field(default_factory=dict)
    _next_at: int = 0

    def note(self, limit: str, asker: str) -> None:
        key = (limit, asker)
        if key not in self._counts and len(self._counts) >= MOST_KEYS:
            key = (limit, OTHERS)
        self._counts[key] = self._counts.get(key, 0) + 1

    def take(self, now: int) -> list[Refusal]:
        """What is to be written down now: nothing where that was done a moment ago."""
        if now < self._next_at or not self._counts:
            return []
        taken, self._counts, self._next_at = self._counts, {}, now + PERIOD_MS
        return [Refusal(limit, asker, times) for (limit, asker), times in taken.items()]
