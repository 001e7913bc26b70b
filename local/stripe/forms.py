"""Stripe's form encoding, and its parameters held against the SDK's own types.

After Stripe's API reference: "Request bodies", "Errors". `a[b][0]=c` is a list in a dictionary.
"""

from __future__ import annotations

import sys
import types
import typing
from typing import Any
from urllib.parse import parse_qsl

from typing_extensions import is_typeddict

Json = dict[str, Any]


class ParameterError(Exception):
    """A parameter is unknown, missing or wrong; `parameter` names it as Stripe does."""

    def __init__(self, code: str, parameter: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.parameter = parameter


def decode(body: str) -> Json:
    """Read a form into dictionaries and lists of text."""
    root: Json = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        keys = name.replace("]", "").split("[")
        here = root
        for key in keys[:-1]:
            here = here.setdefault(key, {})
        here[keys[-1]] = value
    decoded = with_lists(root)
    assert isinstance(decoded, dict)
    return decoded


def with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() or key == "" for key in value):
        return [with_lists(item) for item in value.values()]
    return {key: with_lists(item) for key, item in value.items()}


def check(parameters: Json, described: Any, place: str = "") -> None:
    """Raise ParameterError for what one of the SDK's TypedDicts doesn't know."""
    known = hints(described)
    for name, value in parameters.items():
        path = f"{place}[{name}]" if place else name
        if name not in known:
            raise ParameterError("parameter_unknown", path, f"Received unknown parameter: {path}")
        check_value(value, known[name], path)


def hints(described: Any) -> dict[str, Any]:
    """The fields of one of the SDK's TypedDicts, by its module's names."""
    names = vars(sys.modules[described.__module__])
    found: dict[str, Any] = {}
    for name, annotation in described.__annotations__.items():
        field = type("Field", (), {"__annotations__": {name: annotation}})
        try:
            found |= typing.get_type_hints(field, names)
        except NameError:  # one of the options of a request, which are no parameters
            continue
    return found


def check_value(value: Any, described: Any, path: str) -> None:
    choices = [choice for choice in alternatives(described) if choice is not type(None)]
    literals = [item for choice in choices for item in typing.get_args(choice) if is_literal(choice)]
    if isinstance(value, dict):
        for choice in choices:
            if is_typeddict(choice):
                check(value, choice, path)
    elif isinstance(value, list):
        for choice in choices:
            if typing.get_origin(choice) in (list, typing.List):  # noqa: UP006
                for number, item in enumerate(value):
                    check_value(item, typing.get_args(choice)[0], f"{path}[{number}]")
    elif literals and len(choices) == len([choice for choice in choices if is_literal(choice)]):
        if value not in literals:
            raise ParameterError("", path, f"Invalid {path}: must be one of {', '.join(map(str, literals))}")
    elif choices and all(is_typeddict(choice) for choice in choices):
        raise ParameterError("parameter_invalid", path, f"Invalid object: {path}")


def alternatives(described: Any) -> list[Any]:
    if typing.get_origin(described) in (typing.Union, types.UnionType):
        return [choice for item in typing.get_args(described) for choice in alternatives(item)]
    return [described]


def is_literal(choice: Any) -> bool:
    return typing.get_origin(choice) is typing.Literal
