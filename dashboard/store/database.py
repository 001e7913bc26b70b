"""What the queries need of a SQL database: the same in D1 and in a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Value = int | str | None
Row = dict[str, Value]
Statement = tuple[str, Sequence[Value]]


class Database(Protocol):
    async def execute(self, sql: str, *values: Value) -> list[Row]:
        """Run one statement; return its rows."""

    async def batch(self, *statements: Statement) -> list[list[Row]]:
        """Run statements in one transaction; return the rows of each."""
