"""JSON from others: read whatever a sender puts in front of it, and told apart from what is none."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from codius.errors import UncheckableError

# What is deeper can't be walked through by every function that has to, and is many times larger indented.
MOST_LEVELS = 64


def parse(text: bytes | str) -> Any:
    """JSON, or None for what isn't."""
    try:
        return read_json(text, "")
    except UncheckableError:
        return None


def read_json(text: bytes | str, name: str) -> Any:
    """JSON in any of Unicode's encodings, with or without a byte order mark.

    Raises UncheckableError that says what `name` is instead.
    """
    try:
        content = text if isinstance(text, str) else decoded(text)
        if not content.strip():
            raise UncheckableError(f"{name} is empty")
        return shallow(json.loads(content))
    except RecursionError as error:
        raise UncheckableError(f"{name} is nested too deeply") from error
    except ValueError as error:
        what = "is a page of HTML, not JSON" if is_html(text) else f"is not JSON: {error}"
        raise UncheckableError(f"{name} {what}") from error


def shallow(content: Any) -> Any:
    """The same, of few levels. Raises RecursionError for more."""
    level = [content]
    for _ in range(MOST_LEVELS):
        level = [child for item in level for child in children(item) if isinstance(child, list | dict)]
        if not level:
            return content
    raise RecursionError


def children(item: Any) -> Iterable[Any]:
    match item:
        case dict():
            return item.values()
        case list():
            return item
    return ()


def decoded(text: bytes, errors: str = "strict") -> str:
    """Raises ValueError."""
    return text.decode(json.detect_encoding(text), errors).removeprefix("\ufeff")


def lines_of(text: bytes) -> list[str]:
    """Those that aren't empty. JSON may have characters in it that Python takes for line ends."""
    return [line for line in decoded(text, "replace").split("\n") if line.strip()]


def is_html(text: bytes | str) -> bool:
    start = text[:200] if isinstance(text, str) else text[:200].decode(errors="replace")
    return start.lstrip("\ufeff \t\r\n").lower().startswith(("<!doctype html", "<html"))
