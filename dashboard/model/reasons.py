"""Why a run failed, as the annotations of its jobs say: "Check runs" in GitHub's REST API reference.

The pipeline annotates each refusal, and the first error of what it ran, which is in the app's own words. So
it is text of a stranger's: cut, without control characters, and never more than text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from model.text import seen

# The title that the pipeline gives (`pipeline/errors.py`).
PIPELINE_S = "Not deployed"
MAX_REASONS = 3
MAX_LENGTH = 2_000  # as long as the pipeline's are
# What GitHub says of every step and job that doesn't succeed.
GENERIC = re.compile(r"Process completed with exit code \d+\.?|The operation was canceled\.?")
COLOURS = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]")


def reasons_in(annotations: Iterable[Any]) -> list[str]:
    """What annotations of failures say, in their order, each once: the pipeline's own, if there are any."""
    own: dict[str, None] = {}
    others: dict[str, None] = {}
    for annotation in annotations:
        match annotation:
            case {"annotation_level": "failure", "message": str(message)} if not GENERIC.fullmatch(message):
                (own if annotation.get("title") == PIPELINE_S else others)[plain(message)] = None
    return [reason for reason in own or others if reason][:MAX_REASONS]


def plain(text: str) -> str:
    """Text without what isn't to be seen, up to a length; it keeps its lines."""
    lines = (seen(line).rstrip() for line in COLOURS.sub("", text[: 4 * MAX_LENGTH]).splitlines())
    whole = "\n".join(line for line in lines if line)
    return whole if len(whole) <= MAX_LENGTH else f"{whole[:MAX_LENGTH]}…"
