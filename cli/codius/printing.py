"""What others say, fit for a terminal."""

from __future__ import annotations

import contextlib
import os
import sys

MOST_CHARACTERS = 4_000


class OutputError(Exception):
    """Nobody reads what is printed any more, or there is no room for it."""


def printable(text: str) -> str:
    """Text of others without what a terminal would take for commands, nor more of it than anyone reads."""
    shown = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def say(line: str) -> None:
    """Print a line, with escapes for the characters that this terminal can't show. Raises OutputError."""
    if sys.stdout is None:
        raise OutputError("stdout is closed")
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as error:
        raise OutputError(error.strerror or "it can't be written") from error


def warn(line: str) -> None:
    """Print a line on stderr, if anybody is there."""
    with contextlib.suppress(OSError):
        print(printable(line), file=sys.stderr, flush=True)


def keep_apart() -> None:
    """What is for a stderr that is closed goes nowhere: print and argparse would take stdout for it."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def give_up_output() -> None:
    """What couldn't be written is not tried again when the program ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
