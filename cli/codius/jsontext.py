"""JSON from others: read whatever a sender puts in front of it, and told apart from what is none."""

from __future__ import annotations

import json
from typing import Any

from codius.errors import UncheckableError


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
        return json.loads(content)
    except RecursionError as error:
        raise UncheckableError(f"{name} is nested too deeply") from error
    except ValueError as error:
        what = "is a page of HTML, not JSON" if is_html(text) else f"is not JSON: {error}"
        raise UncheckableError(f"{name} {what}") from error


def decoded(text: bytes) -> str:
    return text.decode(json.detect_encoding(text)).removeprefix("\ufeff")


def is_html(text: bytes | str) -> bool:
    start = text[:200] if isinstance(text, str) else text[:200].decode(errors="replace")
    return start.lstrip("\ufeff \t\r\n").lower().startswith(("<!doctype html", "<html"))
