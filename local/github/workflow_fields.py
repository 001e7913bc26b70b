"""Read the fields of a workflow file, or refuse them with a WorkflowError that names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local.github.expression_values import WorkflowError
from local.github.expressions import EXPRESSION, bare, parse


def check_expressions(content: Any) -> None:
    """Parse every expression once, so that an unknown one is found before anything runs."""
    for key, value in walk(content):
        if key == "if":
            parse(bare(value))
        for match in EXPRESSION.finditer(value):
            parse(match[1])


def walk(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, str):
        yield key, content
    elif isinstance(content, Mapping):
        for name, value in content.items():
            yield from walk(value, name)
    else:
        for value in content:
            yield from walk(value, key)


def mapping(value: Any, place: str) -> Mapping[str, Any]:
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise WorkflowError(f"{place} must be a mapping")
    return value


def texts(content: Mapping[str, Any], key: str) -> Mapping[str, str]:
    values = mapping(content.get(key), key)
    for name, value in values.items():
        if not isinstance(value, str):
            raise WorkflowError(f"{key}.{name} must be text")
    return values


def truth(value: Any, place: str) -> bool:
    if value not in ("true", "false"):
        raise WorkflowError(f"{place} must be true or false")
    return bool(value == "true")


def minutes(value: Any) -> float:
    if not isinstance(value, str) or not value.isdecimal():
        raise WorkflowError("timeout-minutes must be a whole number")
    return float(value)


def only(content: Mapping[str, Any], known: set[str], place: str) -> None:
    for key in content:
        if key not in known:
            raise WorkflowError(f"{place} has {key!r}, which isn't known here")
