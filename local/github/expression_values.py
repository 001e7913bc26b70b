"""How the values of GitHub's expressions compare and become text.

After "Evaluate expressions in workflows and actions", sections "Literals", "Operators" and "format".
"""

from __future__ import annotations

import re
from typing import Any


class WorkflowError(Exception):
    """The workflow says something that is wrong, or that isn't run here; the message names it."""


def equal(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    if type(left) is type(right):
        return bool(left == right)
    return number_of(left) == number_of(right)


def number_of(value: Any) -> float:
    """GitHub compares values of different types as numbers; what is none is equal to nothing."""
    if value is None or value == "":
        return 0.0
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def formatted(template: str, *values: str) -> str:
    """GitHub's format(): `{0}` is the first value, `{{` and `}}` are braces."""
    try:
        return re.sub(
            r"\{\{|\}\}|\{(\d+)\}",
            lambda match: values[int(match[1])] if match[1] else match[0][0],
            template,
        )
    except IndexError:
        raise WorkflowError(f"format({template!r}) names a value that isn't given") from None


def truthy(value: Any) -> bool:
    return bool(value)


def text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
