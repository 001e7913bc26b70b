"""What a program that failed says is wrong, out of all that it printed."""

from __future__ import annotations

import re
from collections import deque

MAX_LINES, MAX_LINE, MAX_WORDS, LINES_OF_ONE = 5_000, 1_000, 500, 3
# Of an excerpt: the lines before the first error and from it on, and their length.
LINES_BEFORE, LINES_FROM, MAX_SHOWN = 2, 10, 200
# Colours, and what else moves a terminal's cursor (ECMA-48).
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]")
# As wrangler, esbuild, npm, pnpm, yarn, bun, uv, TypeScript and Node.js begin what is wrong.
ERROR = re.compile(r"✘|×|\bERR_\w+|\b(?:[a-z]*error|fatal|failed|cannot|not found)\b", re.IGNORECASE)
WARNING = re.compile(r"\s*(?:\S+\s+)?(?:\[?warn(?:ing)?\b|▲)", re.IGNORECASE)
# Lines that only announce others.
HEADINGS = re.compile(
    r".*\b(?:failed with \d+ errors?|error code \S+|error during build):?\s*", re.IGNORECASE
)
SIGNS = re.compile(r"^[\s✘×]*(?:\[ERROR\]|npm error|npm ERR!|error:)?\s*")


class Output:
    """The last lines of what a program printed, given to it in pieces."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque([""], MAX_LINES)

    def take(self, piece: str) -> None:
        first, *more = piece.split("\n")
        self._lines[-1] = (self._lines[-1] + first)[:MAX_LINE]
        self._lines.extend(line[:MAX_LINE] for line in more)

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def first_error(self) -> str:
        """Its first line about an error with those that belong to it, or else its last line; on one line."""
        lines = [line.strip() for line in self._plain()]
        first = first_error_in(lines)
        if first is None:
            return next((line for line in reversed(lines) if line), "")[:MAX_WORDS]
        return " ".join(paragraph(lines[first:]))[:MAX_WORDS]

    def excerpt(self) -> str:
        """The lines around the first error, or else the last ones; nothing where there is but one."""
        lines = [line.rstrip() for line in self._plain() if line.strip()]
        first = first_error_in([line.strip() for line in lines])
        begin = max(0, len(lines) - LINES_FROM if first is None else first - LINES_BEFORE)
        end = len(lines) if first is None else first + LINES_FROM
        found = [line[:MAX_SHOWN] for line in lines[begin:end]]
        return "\n".join(found) if len(found) > 1 else ""

    def _plain(self) -> list[str]:
        return [ESCAPES.sub("", line) for line in self._lines]


def first_error_in(lines: list[str]) -> int | None:
    """The first line about an error that doesn't only announce others."""
    errors = [number for number, line in enumerate(lines) if ERROR.search(line) and not WARNING.match(line)]
    told = [number for number in errors if not HEADINGS.fullmatch(lines[number])] or errors
    return told[0] if told else None


def paragraph(lines: list[str]) -> list[str]:
    """The first lines up to an empty one, unless what is before it ends in a colon."""
    found: list[str] = []
    for line in lines:
        if len(found) == LINES_OF_ONE or (not line and not found[-1].endswith(":")):
            break
        if line:
            found.append(SIGNS.sub("", line))
    return found
