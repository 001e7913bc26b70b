"""What an app failed with: one kind of its messages, as its deployer is shown it.

The words are the app's own, or the runtime's, which an app can imitate: only its deployer is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# What the runtime says ("Errors and exceptions" of Workers' docs, and workerd's source).
RUNTIME_S = (
    (re.compile(r"exceeded (its )?CPU"), "Processor time used up"),
    (re.compile(r"exceeded (its )?memory"), "Memory used up"),
    (re.compile(r"Too many subrequests"), "Too many requests of its own"),
    (re.compile(r"code had hung"), "No answer: it waits for what never comes"),
)
OTHERS = "Of many different messages the latest"


@dataclass(frozen=True, slots=True)
class Failure:
    """Of `requests` (ids) the newest is first. Times are milliseconds since 1970."""

    kind: str
    message: str
    path: str
    requests: tuple[str, ...]
    times: int
    first_at: int
    last_at: int

    @property
    def title(self) -> str | None:
        """What its message is to be read as; None for an exception of the app's own."""
        if not self.kind:
            return OTHERS
        return next((title for words, title in RUNTIME_S if words.search(self.message)), None)
