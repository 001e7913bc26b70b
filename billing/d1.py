"""The dashboard's database, as far as billing reads it (runs in the Workers runtime only)."""

from __future__ import annotations

from typing import Any

from pyodide.ffi import jsnull


class D1:
    """A D1 binding as the `Rows` of `telling.py`."""

    def __init__(self, binding: Any) -> None:
        # The SDK's wrapper would convert each value twice.
        self._binding = binding._binding

    async def execute(self, sql: str, *values: int | str | None) -> list[dict[str, Any]]:
        statement = self._binding.prepare(sql).bind(*(jsnull if value is None else value for value in values))
        rows = (await statement.all()).results.to_py()
        return [{name: None if value is jsnull else value for name, value in row.items()} for row in rows]
