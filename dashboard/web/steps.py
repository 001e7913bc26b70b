"""A deploy's steps as its page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.app import UNFINISHED, App, Status

# All but "pending", which comes before the first.
STEPS: tuple[Status, ...] = (*UNFINISHED[1:], "deployed")


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    state: Literal["done", "current", "waiting", "failed"]


def steps_of(app: App) -> list[Step]:
    """Done up to where the deploy is. A failed one is a single step: its reason says how far it got."""
    if app.status == "failed":
        return [Step("Failed", "failed")]
    if app.status not in STEPS:
        position = -1 if app.status == "pending" else len(STEPS)
    else:
        position = STEPS.index(app.status) + (app.status == "deployed")
    return [Step(name.capitalize(), state_at(number, position)) for number, name in enumerate(STEPS)]


def state_at(number: int, position: int) -> Literal["done", "current", "waiting"]:
    if number == position:
        return "current"
    return "done" if number < position else "waiting"
