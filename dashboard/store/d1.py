"""The queries' database in D1 (runs in the Workers runtime only)."""

from __future__ import annotations

from typing import Any

from pyodide.ffi import jsnull, to_js

from store.database import Row, Statement, Value


class D1:
    """A D1 binding as the queries' Database."""

    def __init__(self, binding: Any) -> None:
        # The SDK's wrapper would convert each value twice, and can't pass statements to `batch`.
        self._binding = binding._binding

    async def execute(self, sql: str, *values: Value) -> list[Row]:
        return rows_of(await self._prepare(sql, values).all())

    async def batch(self, *statements: Statement) -> list[list[Row]]:
        prepared = to_js([self._prepare(sql, values) for sql, values in statements])
        return [rows_of(result) for result in await self._binding.batch(prepared)]

    def _prepare(self, sql: str, values: Any) -> Any:
        return self._binding.prepare(sql).bind(*(jsnull if value is None else value for value in values))


def rows_of(result: Any) -> list[Row]:
    rows = result.results.to_py()
    return [{name: None if value is jsnull else value for name, value in row.items()} for row in rows]
