"""JSON of others: as `json.loads` reads it, but never deeper than MAX_DEPTH."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.http import Answer
from model.json_text import MAX_DEPTH, depth_of, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def nesting(value: Any) -> int:
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(nesting, inner), default=0)


@given(VALUES, st.booleans())
def test_what_others_write_is_read_as_it_is(value: Any, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert read_json(text) == read_json(text.encode("utf-8", "surrogatepass")) == value
    assert depth_of(text.encode("utf-8", "surrogatepass")) == nesting(value)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"[":', '{"\\"[":['])
def test_what_is_nested_too_deep_is_no_json(opening: str) -> None:
    for text in (opening * 100_000, opening * 100_000 + "]"):
        with pytest.raises(ValueError, match=r"nested|Extra data"):
            read_json(text)
    assert Answer(200, {}, opening.encode() * 100_000).json() is None


def test_exactly_the_bound_is_allowed() -> None:
    for wide in ("", ",[]" * 1_000):
        assert read_json("[" * MAX_DEPTH + "]" * (MAX_DEPTH - 1) + wide + "]")
        with pytest.raises(ValueError, match="nested"):
            read_json("[" * (MAX_DEPTH + 1) + "]" * MAX_DEPTH + wide + "]")


def test_a_long_string_of_brackets_and_quotes_is_read_once() -> None:
    """An unclosed string is no reason to read all of it again from each of its quotes."""
    with pytest.raises(ValueError, match="Unterminated"):
        read_json('"' + '\\"[' * 300_000)
    assert depth_of(b'"' + b'\\"[' * 300_000) == 0
