"""How a job of the deploy workflow ends when something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

# By it a reader of a run's annotations knows those that a job of this pipeline made.
TITLE = "Not deployed"
# Of an annotation's message GitHub keeps 64 KB; nobody reads as much.
MAX_MESSAGE = 2_000


class PipelineError(Exception):
    """Something that a person has to put right; the message is one line that names it."""


def run_job(job: Callable[[], None]) -> None:
    """Run a job; an error becomes an annotation of the run (`::error::`) and exit code 1."""
    try:
        job()
    except PipelineError as error:
        print(annotation(str(error)), flush=True)
        sys.exit(1)
    except Exception as error:
        words = f"The job failed by a fault that isn't the app's ({type(error).__name__}); its log has more."
        print(annotation(words), flush=True)
        raise


def annotation(message: str) -> str:
    """The message as "Workflow commands for GitHub Actions" wants it: on one line of plain characters."""
    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]}…"
    shown = "".join(character if character.isprintable() else " " for character in message)
    return f"::error title={TITLE}::{shown.replace('%', '%25')}"
