"""Every query of `store/` finds its rows by an index, as SQLite itself says ("EXPLAIN QUERY PLAN")."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

import store
from store.database import Row, Statement, Value
from tests.dashboard.sqlite_d1 import SqliteD1

# What a query is asked with, by the type of its parameter.
VALUES: dict[object, Any] = {int: 1, str: "x", bool: True, dict: {}, Mapping: {"x": 1}}
# These read an index from its end, up to a LIMIT.
NEWEST_FIRST = {"Apps.latest", "Apps.latest_failed", "Payments.to_refund"}
# These read all that is under way, which has an index of its own.
UNDER_WAY = {"Payments.unfinished", "SiteVersions.to_be_announced", "Notices.watched"}
# These read all of a few rows.
FEW = {"Overrides.switches", "Failures.forget_old", "Sums.totals"}
# These count what waits or is wrong, for the operator alone.
OPERATOR_S = {"Measures.backlog", "Measures.alarms", "Suspensions.untold"}
# This counts everything, once a day.
DAILY = {"Sums.recount"}


class Recording(SqliteD1):
    """A database that keeps what it was asked, and knows of no row."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def execute(self, sql: str, *values: Value) -> list[Row]:
        self.asked.append(sql)
        return []

    async def batch(self, *statements: Statement) -> list[list[Row]]:
        self.asked += [sql for sql, _ in statements]
        return [[] for _ in statements]

    def plan(self, sql: str) -> list[str]:
        numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
        values = [1] * (max(numbered) if numbered else sql.count("?"))
        return [row["detail"] for row in self.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


def queries() -> Iterator[tuple[type, str]]:
    for module in pkgutil.iter_modules(store.__path__):
        if module.name == "d1":  # the runtime's own
            continue
        found = importlib.import_module(f"store.{module.name}")
        for kind in vars(found).values():
            if is_of_queries(kind, found.__name__):
                names = [name for name, method in vars(kind).items() if inspect.iscoroutinefunction(method)]
                yield from ((kind, name) for name in names if not name.startswith("_"))


def is_of_queries(kind: object, module: str) -> bool:
    if not inspect.isclass(kind) or kind.__module__ != module:
        return False
    return "database" in getattr(kind, "__dataclass_fields__", ())


QUERIES = list(queries())


def value_for(hint: Any) -> Any:
    """Something of a parameter's type."""
    origin = typing.get_origin(hint) or hint
    if origin is typing.Literal:
        return typing.get_args(hint)[0]
    if origin is Sequence:
        return [value_for(typing.get_args(hint)[0])]
    if dataclasses.is_dataclass(origin):
        return hint(**{name: value_for(kind) for name, kind in typing.get_type_hints(hint).items()})
    if origin in VALUES:
        return VALUES[origin]
    return value_for(next(part for part in typing.get_args(hint) if part is not type(None)))


def scans(kind: type, name: str) -> list[str]:
    """The tables that a method's queries read from one end to the other."""
    database = Recording()
    method = getattr(kind(database), name)
    hints = typing.get_type_hints(method)
    arguments = {parameter: value_for(hint) for parameter, hint in hints.items() if parameter != "return"}
    with contextlib.suppress(ValueError, IndexError):  # where it needs a row
        asyncio.run(method(**arguments))
    assert database.asked, f"{kind.__name__}.{name} asked nothing"
    return [detail for sql in database.asked for detail in database.plan(sql) if is_scan(detail)]


def is_scan(detail: str) -> bool:
    """Of a table: not of the rows of another query, nor of what was given as JSON (a virtual table)."""
    other = re.match(r"SCAN (CONSTANT ROW|\d|\()", detail) or " VIRTUAL TABLE " in detail
    return detail.startswith("SCAN ") and not other


@pytest.mark.parametrize(("kind", "name"), QUERIES, ids=lambda value: getattr(value, "__name__", value))
def test_no_query_reads_a_whole_table(kind: type, name: str) -> None:
    title, found = f"{kind.__name__}.{name}", scans(kind, name)
    if title in NEWEST_FIRST | UNDER_WAY:
        assert all(" USING INDEX " in scan for scan in found)
    elif title not in OPERATOR_S | FEW | DAILY:
        assert found == []


def test_a_table_read_from_one_end_to_the_other_is_seen() -> None:
    assert [detail for detail in Recording().plan("SELECT * FROM apps WHERE git_ref = ?") if is_scan(detail)]


def test_what_may_read_all_is_still_there() -> None:
    named = NEWEST_FIRST | UNDER_WAY | OPERATOR_S | FEW | DAILY
    assert {f"{kind.__name__}.{name}" for kind, name in QUERIES} >= named
