"""A deploy's steps as its page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.app import App, Status

STEPS: tuple[tuple[Status, str], ...] = (
    ("queued", "Queued"),
    ("building", "Building"),
    ("attesting", "Attesting"),
    ("deploying", "Deploying"),
    ("deployed", "Deployed"),
)


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    state: Literal["done", "current", "waiting", "failed"]


def steps_of(app: App) -> list[Step]:
    """Done up to where the deploy is. A failed one is a single step: its reason says how far it got."""
    if app.status == "failed":
        return [Step("Failed", "failed")]
    statuses = [status for status, _ in STEPS]
    if app.status not in statuses:
        position = 0 if app.status == "pending" else len(STEPS)
    else:
        position = statuses.index(app.status) + (app.status == "deployed")
    return [Step(name, state_at(number, position)) for number, (_, name) in enumerate(STEPS)]


def state_at(number: int, position: int) -> Literal["done", "current", "waiting"]:
    if number == position:
        return "current"
    return "done" if number < position else "waiting"
