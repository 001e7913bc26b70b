"""What a job prints, line by line, without the secrets in it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from local.github.annotations import Annotate, Annotation, read_command

MASK = "***"
LONGEST_LINE = 65_536  # bytes; a longer one is broken
ADD_MASK = re.compile(r"::add-mask::(.+)")
STOP_COMMANDS = re.compile(r"::stop-commands::(\S+)")


class JobLog:
    """Passes whole lines on to `write_line`, secrets masked and annotations marked as GitHub shows them.

    The annotations themselves go to `annotate`.
    """

    def __init__(
        self,
        write_line: Callable[[str], None],
        secrets: Iterable[str],
        annotate: Annotate = lambda annotation: None,
    ) -> None:
        self._write_line = write_line
        self._annotate = annotate
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
        self._pass_on(Annotation("failure", message))

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
        elif found := read_command(line):
            name, annotation = found
            self._put(f"##[{name}]{annotation.message}")
            self._pass_on(annotation)
        else:
            self._put(line)

    def _pass_on(self, annotation: Annotation) -> None:
        message, title = self._masked(annotation.message), self._masked(annotation.title)
        self._annotate(replace(annotation, message=message, title=title))

    def _put(self, line: str) -> None:
        self._write_line(self._masked(line) + "\n")

    def _masked(self, text: str) -> str:
        for mask in self._masks:
            text = text.replace(mask, MASK)
        return text
