"""What an app's config asks for and a hosted app doesn't get, as its signed manifest has it (`leftOut`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model.reasons import plain

MOST = 50
MAX_LENGTH = 100


# What it means for the app, by the kinds that the pipeline names; most of them are bindings.
IS_BINDING = "code that uses it will throw"
MEANINGS = {
    "Cron Trigger": "nothing runs at these times",
    "Custom Domain": "the app answers at its own address only",
    "Email Address": "no mail arrives",
    "Environment": "the top level of its config counts, also for its variables",
    "Queue Consumer": "no messages arrive",
    "Route": "the app answers at its own address only",
    "Secret": "code that reads it finds nothing",
    "Setting": "it changes nothing",
    "Tail Worker": "nothing is told to it",
}


@dataclass(frozen=True, slots=True)
class Thing:
    """`COUNTER`, a `Durable Object`: both are text of the app's."""

    name: str
    kind: str

    @property
    def meaning(self) -> str:
        return MEANINGS.get(self.kind, IS_BINDING)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The first `things`, and how many `more` there are."""

    things: tuple[Thing, ...] = ()
    more: int = 0


def left_out_in(listed: Any) -> LeftOut:
    """A manifest's `leftOut`; nothing where it has none, as in its first version."""
    found = []
    for item in listed if isinstance(listed, list) else ():
        match item:
            case {"name": str(name), "kind": str(kind)}:
                found.append((name, kind))
    things = tuple(Thing(shortened(name), shortened(kind)) for name, kind in found[:MOST])
    return LeftOut(things, len(found) - len(things))


def shortened(text: str) -> str:
    line = " ".join(plain(text).split())
    return line if len(line) <= MAX_LENGTH else f"{line[:MAX_LENGTH]}…"
