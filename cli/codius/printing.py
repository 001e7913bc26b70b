"""What others say, fit for a terminal."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """Text of others without what a terminal would take for commands."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(line: str) -> None:
    """Print a line, with escapes for the characters that this terminal can't show."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
