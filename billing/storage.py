"""The ledger's database in an object: its SQLite, used synchronously (runs in the Workers runtime only)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pyodide.ffi import create_once_callable, jsnull

from database import Value

Result = TypeVar("Result")


class ObjectStorage:
    """`ctx.storage` of a SQLite-backed Durable Object, as the ledger's Database."""

    def __init__(self, storage: Any) -> None:
        # The SDK's wrapper would convert each value twice.
        self._storage = storage._binding
        self._sql = self._storage.sql

    def execute(self, sql: str, *values: Value) -> list[tuple[Value, ...]]:
        arguments = [jsnull if value is None else value for value in values]
        rows = self._sql.exec(sql, *arguments).raw().toArray()
        return [tuple(None if value is jsnull else value for value in row) for row in rows]

    def transaction(self, work: Callable[[], Result]) -> Result:
        outcome: list[Result] = []
        self._storage.transactionSync(create_once_callable(lambda: outcome.append(work())))
        return outcome[0]
