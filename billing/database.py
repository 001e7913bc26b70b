"""What the ledger needs of a SQLite database: the same in a Durable Object and in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

Value = int | str | None
Result = TypeVar("Result")


class NotThereError(Exception):
    """A statement names a table or a column that isn't there (yet)."""


class Database(Protocol):
    def execute(self, sql: str, *values: Value) -> list[tuple[Value, ...]]:
        """Run one statement; return its rows. Raises NotThereError."""

    def transaction(self, work: Callable[[], Result]) -> Result:
        """Run `work` so that all its statements take effect, or none when it raises."""
