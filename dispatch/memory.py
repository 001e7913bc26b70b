"""A bounded memory of one instance. Times are milliseconds of one clock, passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Kept(Generic[Value]):
    value: Value
    until: int
    size: int


class Memory(Generic[Value]):
    """Values that are kept for a while: `most` of them, of `most_bytes` in all. The oldest make way."""

    def __init__(self, most: int, most_bytes: int = 0) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: dict[str, Kept[Value]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str, now: int) -> Value | None:
        kept = self._kept.get(key)
        return None if kept is None or now >= kept.until else kept.value

    def put(self, key: str, value: Value, until: int, size: int = 0) -> None:
        """Keep it, unless it alone is larger than all that may be kept."""
        self._drop(key)
        if size > self._most_bytes:
            return
        self._kept[key] = Kept(value, until, size)
        self._bytes += size
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        if (kept := self._kept.pop(key, None)) is not None:
            self._bytes -= kept.size
