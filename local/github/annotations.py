"""What a job has to say to people, by the workflow commands `error`, `warning` and `notice`, or its runner.

After "Workflow commands for GitHub Actions" and the runner's own limits: a step has ten of each level at
most, a job fifty, and each is cut.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

LEVELS = {"error": "failure", "warning": "warning", "notice": "notice"}
COMMAND = re.compile(r"::(error|warning|notice)(?: ([^:]*))?::(.*)")
MOST_OF_STEP, MOST_OF_JOB = 10, 50
LONGEST_MESSAGE = 4_096
NO_FILE = ".github"


@dataclass(slots=True)
class Annotation:
    """`level` is the check run's word: failure, warning or notice."""

    level: str
    message: str
    title: str = ""
    path: str = NO_FILE
    line: int = 1


Annotate = Callable[[Annotation], None]


@dataclass(slots=True)
class StepLimit:
    """Passes on what GitHub would keep of a job's annotations."""

    annotate: Annotate
    _of_step: Counter[str] = field(default_factory=Counter)
    _of_job: int = 0

    def begin_step(self) -> None:
        self._of_step.clear()

    def take(self, annotation: Annotation) -> None:
        self._of_step[annotation.level] += 1
        if self._of_step[annotation.level] <= MOST_OF_STEP and self._of_job < MOST_OF_JOB:
            self._of_job += 1
            annotation.message = annotation.message[:LONGEST_MESSAGE]
            self.annotate(annotation)


def read_command(line: str) -> tuple[str, Annotation] | None:
    """The command's name and its annotation; None for what is no such command."""
    match = COMMAND.fullmatch(line.strip())
    if match is None:
        return None
    pairs = (part.partition("=") for part in (match[2] or "").split(","))
    found = {name.strip().lower(): property_of(value) for name, _, value in pairs}
    number = found.get("line", "")
    return match[1], Annotation(
        LEVELS[match[1]],
        unescaped(match[3]),
        found.get("title", ""),
        found.get("file") or NO_FILE,
        int(number) if number.isdecimal() else 1,
    )


def property_of(value: str) -> str:
    return unescaped(value.replace("%3A", ":").replace("%2C", ","))


def unescaped(message: str) -> str:
    return message.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
