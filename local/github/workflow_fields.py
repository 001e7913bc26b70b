"""Read the fields of a workflow file, or refuse them with a WorkflowError that names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local.github.expression_values import WorkflowError
from local.github.expressions import CONTEXTS, EXPRESSION, STATUS_FUNCTIONS, bare, names_in, parse

Path = tuple[str, ...]
# "Context availability" of GitHub's "Contexts reference": the first that fits; `*` is any name.
RUN = frozenset({"github", "inputs", "vars"})
JOB = RUN | {"needs"}
AVAILABLE: Mapping[Path, frozenset[str]] = {
    ("run-name",): RUN,
    ("concurrency",): RUN,
    ("env",): RUN | {"secrets"},
    ("jobs", "*", "if"): JOB | STATUS_FUNCTIONS,
    ("jobs", "*", "env"): JOB | {"secrets"},
    ("jobs", "*", "defaults"): JOB | {"env"},
    ("jobs", "*", "outputs"): CONTEXTS,
    ("jobs", "*", "steps", "if"): (CONTEXTS - {"secrets"}) | STATUS_FUNCTIONS,
    ("jobs", "*", "steps"): CONTEXTS,
    ("jobs", "*"): JOB,
}


def check_expressions(content: Any) -> None:
    """Parse every expression once, so that one that is unknown, or has no place there, is found first."""
    for path, value in walk(content):
        is_condition = path[-1:] == ("if",)
        found = [bare(value)] if is_condition else [match[1] for match in EXPRESSION.finditer(value)]
        if not is_condition and "${{" in EXPRESSION.sub("", value):
            raise WorkflowError(f"{'.'.join(path)} has an expression without an end")
        for source in found:
            parse(source)
            for name in sorted((names_in(source) & (CONTEXTS | STATUS_FUNCTIONS)) - available(path)):
                raise WorkflowError(f"{'.'.join(path)} can't have {name} in an expression")


def available(path: Path) -> frozenset[str]:
    """The contexts and functions of state that an expression at a place in the file can have."""
    for place, names in AVAILABLE.items():
        if len(path) >= len(place) and all(
            part in ("*", name) for part, name in zip(place, path, strict=False)
        ):
            return names
    return frozenset()


def walk(content: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(content, str):
        yield path, content
    elif isinstance(content, Mapping):
        for name, value in content.items():
            yield from walk(value, (*path, name))
    else:
        for value in content:
            yield from walk(value, path)


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


def required(content: Mapping[str, Any], keys: set[str], place: str) -> None:
    for key in sorted(keys):
        if not content.get(key):
            raise WorkflowError(f"{place} has no {key!r}")
