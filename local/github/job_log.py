"""What a job prints, line by line, without the secrets in it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable

MASK = "***"
LONGEST_LINE = 65_536  # bytes; a longer one is broken
ADD_MASK = re.compile(r"::add-mask::(.+)")
# "Workflow commands": ::error::message, with or without parameters.
ANNOTATION = re.compile(r"::(error|warning|notice)(?: [^:]*)?::(.*)")
STOP_COMMANDS = re.compile(r"::stop-commands::(\S+)")


class JobLog:
    """Passes whole lines on to `write_line`, secrets masked and annotations marked as GitHub shows them."""

    def __init__(self, write_line: Callable[[str], None], secrets: Iterable[str]) -> None:
        self._write_line = write_line
        self._rest = b""
        self._stopped: str | None = None  # the word that lets workflow commands count again
        self._masks: list[str] = []
        for secret in secrets:
            self._add_mask(secret)

    def _add_mask(self, secret: str) -> None:
        """Mask every line of a secret, the longest first, so that no part of one is left."""
        self._masks += [line for line in secret.splitlines() if line.strip()]
        self._masks.sort(key=len, reverse=True)

    def write(self, text: str) -> None:
        self.feed(text.encode() + b"\n")

    def error(self, message: str) -> None:
        self.flush()
        for line in message.splitlines():
            self._put(f"##[error]{line}")

    def feed(self, output: bytes) -> None:
        """Take output as it comes; lines go on when they are whole."""
        *lines, self._rest = (self._rest + output).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._line(line.decode(errors="replace").rstrip("\r"))

    def flush(self) -> None:
        if self._rest:
            self.feed(b"\n")

    async def copy(self, stream: asyncio.StreamReader) -> None:
        while output := await stream.read(65536):
            self.feed(output)
        self.flush()

    def _line(self, line: str) -> None:
        if self._stopped is not None:
            if line.strip() == f"::{self._stopped}::":
                self._stopped = None
            else:
                self._put(line)
        elif match := STOP_COMMANDS.fullmatch(line.strip()):
            self._stopped = match[1]
        elif match := ADD_MASK.fullmatch(line.strip()):
            self._add_mask(match[1])
        elif match := ANNOTATION.fullmatch(line.strip()):
            self._put(f"##[{match[1]}]{unescaped(match[2])}")
        else:
            self._put(line)

    def _put(self, line: str) -> None:
        for mask in self._masks:
            line = line.replace(mask, MASK)
        self._write_line(line + "\n")


def unescaped(message: str) -> str:
    return message.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
