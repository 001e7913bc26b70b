"""The dashboard's `Database` over the standard library's SQLite, with foreign keys enforced as D1 does."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from store.database import Row, Statement, Value

ROOT = Path(__file__).resolve().parents[2]
MOST_EXACT = 2**53  # beyond it a JavaScript number isn't exact


async def nothing() -> None:
    """What is awaited before each call to the outside; `turns.py` puts something else in its place."""


class SqliteD1:
    """A new database with the schema."""

    pause = staticmethod(nothing)

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.connection.row_factory = sqlite3.Row
        self.connection.executescript((ROOT / "schema.sql").read_text())
        self.connection.execute("PRAGMA foreign_keys = ON")

    async def execute(self, sql: str, *values: Value) -> list[Row]:
        await self.pause()
        return self._run(sql, values)

    async def batch(self, *statements: Statement) -> list[list[Row]]:
        await self.pause()
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            results = [self._run(sql, tuple(values)) for sql, values in statements]
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return results

    def _run(self, sql: str, values: tuple[Value, ...]) -> list[Row]:
        for value in values:
            assert type(value) in (int, str, type(None)), f"{value!r} can't be bound"
            assert not isinstance(value, int) or abs(value) <= MOST_EXACT
        return [dict(row) for row in self.connection.execute(sql, values).fetchall()]

    def dump(self) -> list[str]:
        """All that is stored."""
        return list(self.connection.iterdump())
