"""Snappy's block format, in which GitHub keeps attestations ("Snappy compressed format description")."""

from __future__ import annotations


class SnappyError(ValueError):
    """The data is no block of Snappy's, or unpacks to more than is allowed."""


def unpack(data: bytes, limit: int) -> bytes:
    """Return what a block holds, at most `limit` bytes. Raises SnappyError."""
    try:
        length, position = read_length(data)
        if length > limit:
            raise SnappyError(f"The block holds {length:,} bytes, of {limit:,} that are allowed.")
        unpacked = bytearray()
        while position < len(data) and len(unpacked) <= length:
            position = unpack_element(data, position, unpacked)
    except IndexError as error:
        raise SnappyError("The block ends too early.") from error
    if len(unpacked) != length:
        raise SnappyError("The block is not as long as it says.")
    return bytes(unpacked)


def read_length(data: bytes) -> tuple[int, int]:
    """The length that a block begins with (seven bits in a byte, the lowest first), and where that ends."""
    length = 0
    for position in range(5):
        length |= (data[position] & 0x7F) << (7 * position)
        if data[position] < 0x80:
            return length, position + 1
    raise SnappyError("The block begins with no length.")


def unpack_element(data: bytes, position: int, unpacked: bytearray) -> int:
    """Add one element, a literal or a copy of what came before; return where the next one is."""
    tag = data[position]
    position += 1
    kind, high = tag & 3, tag >> 2
    if kind == 0:
        size, position = literal_size(data, position, high)
        if position + size > len(data):
            raise IndexError
        unpacked += data[position : position + size]
        return position + size
    if kind == 1:
        size, offset, end = (high & 7) + 4, (tag >> 5) << 8 | data[position], position + 1
    else:
        end = position + (2 if kind == 2 else 4)
        size, offset = high + 1, int.from_bytes(data[position:end], "little")
    if not 0 < offset <= len(unpacked) or end > len(data):
        raise SnappyError("The block copies what isn't there.")
    # A copy may overlap itself: then it repeats its first bytes.
    pattern = unpacked[-offset : len(unpacked) - offset + size]
    unpacked += (pattern * (size // len(pattern) + 1))[:size]
    return end


def literal_size(data: bytes, position: int, high: int) -> tuple[int, int]:
    if high < 60:
        return high + 1, position
    end = position + high - 59
    if end > len(data):
        raise IndexError
    return int.from_bytes(data[position:end], "little") + 1, end
