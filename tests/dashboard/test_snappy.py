"""Snappy's blocks are unpacked as the library that packs them does."""

from __future__ import annotations

import contextlib

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.snappy import SnappyError, unpack

LIMIT = 1_000_000
REPEATING = st.builds(
    lambda parts: b"".join(part * count for part, count in parts),
    st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(1, 400)), max_size=12),
)


def pack(content: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(content))


@given(st.binary(max_size=5_000) | REPEATING)
def test_what_was_packed_is_unpacked(content: bytes) -> None:
    assert unpack(pack(content), LIMIT) == content


def test_copies_from_far_away_are_unpacked() -> None:
    content = bytes(range(256)) * 2 + b"x" * 70_000 + bytes(range(256))
    assert unpack(pack(content), LIMIT) == content


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (b"\x00", b""),
        (b"\x03\x08abc", b"abc"),
        (b"\x06\x08abc\x01\x03", None),  # a copy of four
        (b"\x07\x08abc\x01\x03", b"abcabca"),
        (b"\x06\x08abc\x0a\x03\x00", b"abcabc"),
        (b"\x06\x08abc\x0b\x03\x00\x00\x00", b"abcabc"),
        (b"\x3d\xf0\x3c" + b"a" * 61, b"a" * 61),
        (b"\x04\x00a\x0a\x01\x00", b"aaaa"),
    ],
)
def test_each_element(block: bytes, content: bytes | None) -> None:
    if content is None:
        with pytest.raises(SnappyError):
            unpack(block, LIMIT)
    else:
        assert unpack(block, LIMIT) == content


@given(st.binary(max_size=200))
def test_what_the_library_refuses_is_refused_and_nothing_else_is_raised(block: bytes) -> None:
    expected = None
    with contextlib.suppress(cramjam.DecompressionError, ValueError):
        expected = bytes(cramjam.snappy.decompress_raw(block))
    if expected is None or len(expected) > LIMIT:
        with pytest.raises(SnappyError):
            unpack(block, LIMIT)
    else:
        assert unpack(block, LIMIT) == expected


def test_what_would_be_too_large_is_refused_by_its_first_bytes() -> None:
    with pytest.raises(SnappyError, match="1,000 that are allowed"):
        unpack(pack(b"a" * 1_001), 1_000)
