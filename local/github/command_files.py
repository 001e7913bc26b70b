"""The files by which a step sets outputs, variables and the PATH for the steps after it.

After "Workflow commands for GitHub Actions": `name=value` lines, or several lines between `name<<MARK` and
`MARK`, in the files that GITHUB_OUTPUT and GITHUB_ENV name; one folder a line in GITHUB_PATH's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

NAMES = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")


class CommandFileError(Exception):
    """A line of a command file has no form that GitHub knows; the message shows it."""


class CommandFiles:
    """The files of one step, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.outputs: dict[str, str] = {}
        self.env: dict[str, str] = {}
        self.path: list[str] = []

    def variables(self) -> dict[str, str]:
        return {name: str(self._folder / name) for name in NAMES}

    def create(self) -> None:
        self._folder.mkdir(parents=True)
        for name in NAMES:
            (self._folder / name).touch()

    def read(self) -> None:
        """Take up what the step wrote. Raises CommandFileError."""
        self.outputs = dict(settings(self._lines("GITHUB_OUTPUT")))
        self.env = dict(settings(self._lines("GITHUB_ENV")))
        self.path = [line for line in self._lines("GITHUB_PATH") if line]

    def _lines(self, name: str) -> list[str]:
        return (self._folder / name).read_text(errors="replace").splitlines()


def settings(lines: list[str]) -> Iterator[tuple[str, str]]:
    rest = iter(lines)
    for line in rest:
        if not line:
            continue
        name, mark, delimiter = line.partition("<<")
        if mark and "=" not in name:
            yield name, "\n".join(until(rest, delimiter))
            continue
        name, mark, value = line.partition("=")
        if not mark or not name:
            raise CommandFileError(f"Invalid format {line!r}")
        yield name, value


def until(lines: Iterator[str], delimiter: str) -> Iterator[str]:
    for line in lines:
        if line == delimiter:
            return
        yield line
    raise CommandFileError(f"Matching delimiter not found {delimiter!r}")
