"""What others say, fit for a terminal."""

from __future__ import annotations

import sys

MOST_CHARACTERS = 4_000


def printable(text: str) -> str:
    """Text of others without what a terminal would take for commands, nor more of it than anyone reads."""
    shown = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def say(line: str) -> None:
    """Print a line, with escapes for the characters that this terminal can't show."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
