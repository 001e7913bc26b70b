"""How long what is left of an account will last."""

from __future__ import annotations

from collections.abc import Sequence

from model.limits import DAY_MS, HOUR_MS

DAYS_OF_A_WEEK = 7
HOURS_PER_YEAR = 365 * 24
# From how many hours on people count in this, and how many hours it has.
UNITS = (
    (2 * HOURS_PER_YEAR, HOURS_PER_YEAR, "years"),
    (HOURS_PER_YEAR // 6, HOURS_PER_YEAR // 12, "months"),
    (48, 24, "days"),
    (2, 1, "hours"),
)
LONG = 10 * HOURS_PER_YEAR


def lasts(requests: int, days: Sequence[int], now: int) -> str | None:
    """`about 12 days`, at the rate of the last seven days; None where there is nothing left, or no rate.

    `days` are the requests of each day (UTC), today last. An account whose first requests came within these
    days is measured from that day on, and at least over a day: what came first says little.
    """
    week = list(days[-DAYS_OF_A_WEEK:])
    used = sum(week)
    if requests <= 0 or used == 0:
        return None
    since = next(number for number, count in enumerate(week) if count)
    measured_ms = max(DAY_MS, (len(week) - since - 1) * DAY_MS + now % DAY_MS)
    hours = requests * measured_ms // (used * HOUR_MS)
    if hours >= LONG:
        return "more than ten years"
    for least, per_unit, name in UNITS:
        if hours >= least:
            return f"about {round(hours / per_unit)} {name}"
    return "about an hour" if hours else "less than an hour"
