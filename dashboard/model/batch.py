"""Doing something for each of many rows, so that one which fails holds up none of the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Row = TypeVar("Row")
Result = TypeVar("Result")
# Told what could not be done, and for what: an app, a payment, a part of the upkeep.
OnFailure = Callable[[str, Exception], None]


async def attempt(name: str, work: Awaitable[Result], on_failure: OnFailure) -> Result | None:
    """What it comes to; None where it fails, whatever with, which is told."""
    try:
        return await work
    except Exception as error:
        on_failure(name, error)
        return None


async def each(
    rows: Iterable[Row],
    name: Callable[[Row], str],
    work: Callable[[Row], Awaitable[object]],
    on_failure: OnFailure,
    over: type[Exception] | tuple[type[Exception], ...] = (),
) -> bool:
    """Do it for one row after the other; what fails, whatever it was, is told, and the next one goes on.

    After an error of a kind in `over` the rest is left, as it would fail, too: then False.
    """
    for row in rows:
        try:
            await work(row)
        except Exception as error:
            on_failure(name(row), error)
            if isinstance(error, over):
                return False
    return True
