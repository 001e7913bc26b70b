"""How the values of GitHub's expressions compare and become text.

After "Evaluate expressions in workflows and actions", sections "Literals", "Operators" and "format"; a test
holds it to GitHub's own package `@actions/expressions`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
HEXADECIMAL = re.compile(r"0x[0-9a-f]+", re.IGNORECASE)
PLACE = re.compile(r"\{\{|\}\}|\{(\d+)[^}]*\}|[{}]", re.ASCII)
# Greater numbers are written with an exponent.
GREATEST_PLAIN = 1e21


class WorkflowError(Exception):
    """The workflow says something that is wrong, or that isn't run here; the message names it."""


def equal(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return upper(left) == upper(right)
    if isinstance(left, Mapping | list) or isinstance(right, Mapping | list):
        return left is right
    return number_of(left) == number_of(right)


def number_of(value: Any) -> float:
    """GitHub compares values of different types as numbers; what is none is equal to nothing."""
    if not isinstance(value, str):
        return float(value or 0)
    text = value.strip()
    if not text:
        return 0.0
    if HEXADECIMAL.fullmatch(text):
        return float(int(text, 16))
    return float(text) if NUMBER.fullmatch(text) else float("nan")


def upper(text: str) -> str:
    """As GitHub compares: the dotless ı stays."""
    return "ı".join(part.upper() for part in text.split("ı"))


def formatted(template: str, *values: str) -> str:
    """GitHub's format(): `{0}` is the first value, `{{` and `}}` are braces."""

    def replaced(match: re.Match[str]) -> str:
        if match[0] in ("{", "}"):
            raise WorkflowError(f"format({template!r}) has a single {match[0]}")
        if match[1] is None:
            return match[0][0]
        if int(match[1]) >= len(values):
            raise WorkflowError(f"format({template!r}) names a value that isn't given")
        return values[int(match[1])]

    return PLACE.sub(replaced, template)


def truthy(value: Any) -> bool:
    return isinstance(value, Mapping | list) or bool(value)


def text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "Object"
    if isinstance(value, list):
        return "Array"
    if isinstance(value, float):
        return format(Decimal(repr(value)).normalize(), "f") if abs(value) < GREATEST_PLAIN else repr(value)
    return str(value)
