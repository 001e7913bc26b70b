"""The entry module in front of billing: counts the objects' calls, statements and rows."""

# mypy: ignore-errors

import functools
import inspect

from pyodide.ffi import can_run_sync
from workers import WorkerEntrypoint

import entry

counts = {"calls": 0, "rows_read": 0, "rows_written": 0}
# Of each method: [calls, statements, rows written].
methods = {}
# Those that the runtime called so that they could stop and wait.
stopping = set()


class CountedSql:
    """`storage.sql` that keeps its cursors: they know their rows when those have been read."""

    def __init__(self, sql):
        self._sql = sql
        self._cursors = []

    def exec(self, *arguments):
        cursor = self._sql.exec(*arguments)
        self._cursors.append(cursor)
        return cursor

    def count(self, method):
        of_method = methods.setdefault(method, [0, 0, 0])
        of_method[0] += 1
        of_method[1] += len(self._cursors)
        for cursor in self._cursors:
            counts["rows_read"] += cursor.rowsRead
            counts["rows_written"] += cursor.rowsWritten
            of_method[2] += cursor.rowsWritten
        self._cursors.clear()


def counted(method):
    @functools.wraps(method)
    def call(self, *arguments):
        counts["calls"] += 1
        if can_run_sync():
            stopping.add(method.__name__)
        try:
            return method(self, *arguments)
        finally:
            self.sql.count(method.__name__)

    return call


class BillingDurableObject(entry.BillingDurableObject):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        database = self.ledger._database
        self.sql = database._sql = CountedSql(database._sql)


for name, method in vars(entry.BillingDurableObject).items():
    if inspect.isfunction(method) and not name.startswith("_"):
        setattr(BillingDurableObject, name, counted(method))


class Counts(WorkerEntrypoint):
    async def read(self):
        return counts

    async def methods(self):
        return methods

    async def stopping(self):
        return sorted(stopping)


Default = entry.Default
