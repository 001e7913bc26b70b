"""How a job of the deploy workflow ends when something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable


class PipelineError(Exception):
    """Something that a person has to put right; the message is one line that names it."""


def run_job(job: Callable[[], None]) -> None:
    """Run a job; a PipelineError becomes an annotation of the run (`::error::`) and exit code 1."""
    try:
        job()
    except PipelineError as error:
        print(f"::error::{annotation(str(error))}", flush=True)
        sys.exit(1)


def annotation(message: str) -> str:
    """The message as "Workflow commands for GitHub Actions" wants it: on one line."""
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
