"""How much was charged in each hour and on each day: today is in the account, each past day is a row."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from account import HOUR_MS, HOURS_PER_DAY, Account, PastDay
from arguments import require_integer
from database import Database

MAX_HOURS = 90 * HOURS_PER_DAY
MAX_DAYS = 3_660
# A day's row is there already where an earlier version of this code ran on that day in between.
ADD_DAY = (
    "INSERT INTO usage_day (day, requests, hours) VALUES (?, ?, ?) "
    "ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, "
    "hours = json_patch(hours, excluded.hours)"
)


@dataclass(frozen=True, slots=True)
class Usage:
    """The table `usage_day`, beside what an account has of its own. Times are milliseconds since 1970."""

    database: Database

    def add(self, past: PastDay) -> None:
        self.database.execute(ADD_DAY, past.day, past.requests, past.hours)

    def per_hour(self, account: Account | None, now: int, hours: int) -> list[int]:
        """Charged requests in each of the last `hours`, oldest first, the current one last."""
        require_integer("hours", hours, 1, MAX_HOURS)
        if account is None:
            return [0] * hours
        first = now // HOUR_MS - hours + 1
        counts = account.hours()
        since = first // HOURS_PER_DAY
        for day, encoded in self.database.execute("SELECT day, hours FROM usage_day WHERE day >= ?", since):
            of_day = json.loads(str(encoded)).items()
            counts |= {int(day or 0) * HOURS_PER_DAY + int(hour): count for hour, count in of_day}
        return [counts.get(hour, 0) for hour in range(first, first + hours)]

    def per_day(self, account: Account | None, now: int, days: int) -> list[int]:
        """Charged requests on each of the last `days` (UTC), oldest first, today last."""
        require_integer("days", days, 1, MAX_DAYS)
        if account is None:
            return [0] * days
        first = now // HOUR_MS // HOURS_PER_DAY - days + 1
        counts: Counter[int] = Counter()
        for hour, count in account.hours().items():
            counts[hour // HOURS_PER_DAY] += count
        rows = self.database.execute("SELECT day, requests FROM usage_day WHERE day >= ?", first)
        for day, requests in rows:
            counts[int(day or 0)] += int(requests or 0)
        return [counts[day] for day in range(first, first + days)]
