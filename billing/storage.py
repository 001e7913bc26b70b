"""The ledger's database in an object: its SQLite, used synchronously (runs in the Workers runtime only)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pyodide.ffi import JsException, create_once_callable, jsnull

from database import NotThereError, Value

Result = TypeVar("Result")
NOT_THERE = re.compile("no such (table|column)")  # SQLite's words


class ObjectStorage:
    """`ctx.storage` of a SQLite-backed Durable Object, as the ledger's Database."""

    def __init__(self, storage: Any) -> None:
        # The SDK's wrapper would convert each value twice.
        self._storage = storage._binding
        self._sql = self._storage.sql

    def execute(self, sql: str, *values: Value) -> list[tuple[Value, ...]]:
        arguments = [jsnull if value is None else value for value in values]
        try:
            cursor = self._sql.exec(sql, *arguments)
        except JsException as error:
            if NOT_THERE.search(str(error)):
                raise NotThereError(str(error)) from None
            raise
        if sql.startswith("UPDATE"):
            return []
        rows = cursor.raw().toArray()
        return [tuple(None if value is jsnull else value for value in row) for row in rows]

    def transaction(self, work: Callable[[], Result]) -> Result:
        outcome: list[Result] = []
        self._storage.transactionSync(create_once_callable(lambda: outcome.append(work())))
        return outcome[0]
