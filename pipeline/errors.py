"""How a job of the deploy workflow ends when something is wrong."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

# By it a reader of a run's annotations knows those that a job of this pipeline made.
TITLE = "Not deployed"
# Of an annotation's message GitHub keeps 64 KB; nobody reads as much.
MAX_MESSAGE = 2_000


class PipelineError(Exception):
    """Something that a person has to put right; the message is one line that names it.

    `excerpt` is what a program printed around it, in lines.
    """

    def __init__(self, message: str, excerpt: str = "") -> None:
        super().__init__(message)
        self.excerpt = excerpt


def run_job(job: Callable[[], None]) -> None:
    """Run a job; an error becomes an annotation of the run (`::error::`) and exit code 1.

    One that is ended from outside still ends what it began.
    """
    # How GitHub ends a job whose run was cancelled, after an interrupt.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        job()
    except PipelineError as error:
        print(annotation(str(error), error.excerpt), flush=True)
        sys.exit(1)
    except Exception as error:
        words = f"The job failed by a fault that isn't the app's ({type(error).__name__}); its log has more."
        print(annotation(words), flush=True)
        raise


def annotation(message: str, excerpt: str = "") -> str:
    """The message as "Workflow commands for GitHub Actions" wants it: one line of plain characters.

    An excerpt follows in lines of its own, as many as there is room for.
    """
    lines = [shown(message)]
    for line in map(shown, excerpt.split("\n") if excerpt else ()):
        if sum(map(len, lines)) + len(lines) + len(line) > MAX_MESSAGE:
            break
        lines.append(line)
    return f"::error title={TITLE}::{'%0A'.join(line.replace('%', '%25') for line in lines)}"


def shown(text: str) -> str:
    if len(text) > MAX_MESSAGE:
        text = f"{text[:MAX_MESSAGE]}…"
    return "".join(character if character.isprintable() else " " for character in text)
