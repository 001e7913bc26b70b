"""How much one user, and all of them together, may begin and have: the operator's settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Runs of the deploy workflow that a user may have at once, begin in an hour and in a day; apps that a
    user may have; runs that all may begin in a day; addresses that a user may have looked up in an hour;
    sites that a user may have, deleted ones included.

    Each run costs the operator minutes of GitHub Actions, each look-up up to seven questions to GitHub.
    """

    deploys_at_once: int
    deploys_per_hour: int
    deploys_per_day: int
    apps: int
    all_deploys_per_day: int
    lookups_per_hour: int
    sites: int

    @property
    def on_deploys(self) -> tuple[int, ...]:
        of_user = (self.deploys_at_once, self.deploys_per_hour, self.deploys_per_day, self.apps)
        return (*of_user, self.all_deploys_per_day)


class LimitReachedError(Exception):
    """A limit doesn't allow it; the message says which, and until when. `seconds` are those until then."""

    status = 429  # of the answer

    def __init__(self, message: str, seconds: int | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


def until(message: str, time: int, now: int) -> LimitReachedError:
    """The limit is over at a time, in milliseconds since 1970."""
    # Rounded up to the minute that people read.
    minute = -(-time // 60_000) * 60
    moment = datetime.fromtimestamp(minute, UTC)
    is_today = moment.date() == datetime.fromtimestamp(now // 1000, UTC).date()
    day = "" if is_today else f"{moment.day} {moment:%b}, "
    return LimitReachedError(
        f"{message} Try again after {day}{moment:%H:%M} UTC.", max(minute - now // 1000, 1)
    )
