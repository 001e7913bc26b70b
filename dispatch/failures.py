"""What apps failed with since it was last told to the dashboard, by its kind, and counted.

An app chooses its messages and a visitor what is asked for, so all of it is bounded: the apps, the kinds of
each, and every text. Messages that differ in words with a digit are of one kind: ids and amounts would make
one of each request. Times are milliseconds of one clock.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

MAX_APPS = 500
# Of one app. What is of yet another kind is counted together, as OTHERS.
MAX_KINDS = 4
OTHERS = ""
MAX_KIND, MAX_MESSAGE, MAX_PATH, MAX_REQUESTS = 200, 500, 200, 10
# One has 6,000 bytes at most, and D1 takes 2,000,000 in one value ("Limits").
KINDS_PER_REPORT = 200
PERIOD_MS = 10_000
# The runtime ends what is done in the background of a request 30 s after it, or with its instance.
LOST_MS = 30_000

WORD_WITH_DIGIT = re.compile(r"\b[^\W\d]*+\d\w*")
NOTHING = "(an error without a message)"
TRACEBACK = "PythonError: Traceback"


@dataclass(slots=True)
class Failure:
    """One kind of an app; `message`, `path` and the last of `requests` (ids) are of the latest."""

    app: str
    kind: str
    first_at: int
    last_at: int = 0
    times: int = 0
    message: str = ""
    path: str = ""
    requests: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_REQUESTS))

    def values(self) -> dict[str, Any]:
        """As the dashboard takes it: the newest request first."""
        return asdict(self) | {"requests": " ".join(reversed(self.requests)), "kind": plain(self.kind)}


class Failures:
    def __init__(self) -> None:
        self._apps: dict[str, dict[str, Failure]] = {}
        self._begun_at: int | None = None
        self._next_at = 0

    def note(self, app: str, message: str, path: str, request: str, now: int) -> None:
        """Count a failure; those of more apps than are kept are left out."""
        if app not in self._apps and len(self._apps) >= MAX_APPS:
            return
        message = message or NOTHING
        kinds, kind = self._apps.setdefault(app, {}), kind_of(message)
        if kind not in kinds and len(kinds) >= MAX_KINDS:
            kind = OTHERS
        failure = kinds.setdefault(kind, Failure(app, kind, now))
        failure.last_at, failure.times = now, failure.times + 1
        failure.message, failure.path = plain(message[:MAX_MESSAGE]), plain(path[:MAX_PATH])
        failure.requests.append(request)

    def begin(self, now: int) -> int | None:
        """Begin the next report: in how many milliseconds it is to be taken; None if another was begun."""
        if self._begun_at is not None and now - self._begun_at < LOST_MS:
            return None
        self._begun_at = now
        return max(0, self._next_at - now)

    def take(self, now: int) -> Iterator[str]:
        """All that was noted, in pieces of JSON, each of whole apps and made when it is wanted."""
        taken, self._apps, self._begun_at, self._next_at = self._apps, {}, None, now + PERIOD_MS
        return pieces_of(taken)


def pieces_of(apps: dict[str, dict[str, Failure]]) -> Iterator[str]:
    while apps:
        piece: list[dict[str, Any]] = []
        while apps and len(piece) + MAX_KINDS < KINDS_PER_REPORT:
            _, kinds = apps.popitem()
            piece += [failure.values() for failure in kinds.values()]
        yield json.dumps(piece, ensure_ascii=False)


def kind_of(message: str) -> str:
    return WORD_WITH_DIGIT.sub("#", message[:MAX_KIND])


def plain(text: str) -> str:
    """Text in one line, without what isn't to be seen and halves of characters, which nobody can store."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def last_words(traceback: str) -> str:
    """What the end of a Python traceback says: all after the lines of code, which are indented."""
    lines = traceback.rstrip().split("\n")
    code = [number for number, line in enumerate(lines, 1) if line.startswith(" ")]
    return "\n".join(lines[max(code, default=0) :]) or lines[-1]
