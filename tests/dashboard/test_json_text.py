"""JSON of others: as `json.loads` reads it, but never deeper than MAX_DEPTH."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.http import Answer
from model.json_text import MAX_DEPTH, is_shallow, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.booleans())
def test_what_others_write_is_read_as_it_is(value: Any, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert read_json(text) == read_json(text.encode()) == value


@pytest.mark.parametrize(
    "opening", ["[", '{"a":', '[{"[":', '["\\\\",', '{"\\"[":[', '["\\\\\\"]",', '["]","]",']
)
def test_what_is_nested_too_deep_is_not_read(opening: str) -> None:
    for text in (opening * 100_000, opening * 100_000 + "]" * 100_000, opening * 100_000 + '"' * 100_000):
        with pytest.raises(ValueError, match="nested deeper"):
            read_json(text)
    assert Answer(200, {}, opening.encode() * 100_000).json() is None


def test_exactly_the_bound_is_allowed() -> None:
    for wide in ("", ",[]" * 1_000, ',"[[["' * 1_000, ',{"]": "\\"]"}' * 1_000):
        assert read_json("[" * MAX_DEPTH + "]" * (MAX_DEPTH - 1) + wide + "]")
        with pytest.raises(ValueError, match="nested deeper"):
            read_json("[" * (MAX_DEPTH + 1) + "]" * MAX_DEPTH + wide + "]")


@given(st.integers(1, MAX_DEPTH), st.integers(1, 3 * MAX_DEPTH), VALUES)
def test_depth_is_bounded_wherever_it_is(few: int, many: int, value: Any) -> None:
    def nested(depth: int) -> str:
        return json.dumps(["\\", '"[', value]) + "," + "[" * depth + "]" * depth

    assert is_shallow(f"[{nested(few - 1)}]".encode()) or not is_shallow(json.dumps([value]).encode())
    assert not is_shallow(f"[{nested(MAX_DEPTH + many)}]".encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_json_is_utf_8(encoding: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (of three kinds)
        read_json('["\u2200é",[]]'.encode(encoding))
