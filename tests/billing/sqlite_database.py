"""The ledger's `Database` over the standard library's SQLite, as strict on integers as the runtime is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import TypeVar

from database import NotThereError, Value

Result = TypeVar("Result")
Row = tuple[Value, ...]

MOST_EXACT = 2**53  # beyond it a JavaScript number isn't exact, and the runtime's SQLite returns those


class SqliteDatabase:
    def __init__(self, path: str = ":memory:") -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)

    def execute(self, sql: str, *values: Value) -> list[Row]:
        require_exact(values)
        try:
            rows = self.connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if str(error).startswith(("no such table", "no such column")):
                raise NotThereError(str(error)) from None
            raise
        for row in rows:
            require_exact(row)
        return rows

    def transaction(self, work: Callable[[], Result]) -> Result:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            result = work()
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return result

    def tables(self) -> dict[str, list[Row]]:
        """All that is stored: the rows of each table by its name."""
        names = [str(name) for (name,) in self.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: self.execute(f"SELECT * FROM {name} ORDER BY rowid") for name in names}

    def close(self) -> None:
        self.connection.close()


def require_exact(values: Iterable[Value]) -> None:
    for value in values:
        assert type(value) in (int, str, type(None)), f"{value!r} is no Value"
        assert not isinstance(value, int) or abs(value) <= MOST_EXACT, f"{value} is not exact in JavaScript"
