"""A stand-in for "D1" of Cloudflare's API reference (v4), as far as wrangler goes."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.cloudflare.answers import ApiError, collection, envelope, timestamp
from local.cloudflare.changes import Changes
from local.control import ControlError

# Runs statements, one after the other; returns the rows of each.
Run = Callable[[list[str], list[Any]], Awaitable[list[list[dict[str, Any]]]]]


@dataclass(slots=True)
class Database:
    """A D1 database: a real SQLite in memory, or that of a running stack."""

    id: str
    name: str
    created_at: str
    run: Run

    def described(self) -> dict[str, Any]:
        return {"uuid": self.id, "name": self.name, "created_at": self.created_at, "version": "production"}


class Databases:
    """The databases by their ids; `running` are there already."""

    def __init__(self, changes: Changes, running: Mapping[str, Run] | None = None) -> None:
        self.by_id: dict[str, Database] = {}
        self._changes = changes
        for name, run in (running or {}).items():
            self._add(name, run)

    def routes(self) -> list[Route]:
        """Below the account."""
        path = "/d1/database"
        return [
            *collection(path, self.list_databases, self.create_database),
            Route(path + "/{id}", self.get_database),
            Route(path + "/{id}/query", self.query, methods=["POST"]),
        ]

    async def list_databases(self, request: Request) -> Response:
        name = request.query_params.get("name")
        found = [database for database in self.by_id.values() if name in (None, database.name)]
        return envelope([database.described() for database in found])

    async def create_database(self, request: Request) -> Response:
        self._changes.note(request)
        name = (await request.json())["name"]
        if any(database.name == name for database in self.by_id.values()):
            raise ApiError(400, 7502, f"Database with name {name!r} already exists")
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return envelope(self._add(name, partial(run_in_sqlite, connection)).described())

    def _add(self, name: str, run: Run) -> Database:
        database = Database(str(uuid.uuid4()), name, timestamp(), run)
        return self.by_id.setdefault(database.id, database)

    def _database(self, request: Request) -> Database:
        """By its id or its name."""
        wanted = request.path_params["id"]
        for database in self.by_id.values():
            if wanted in (database.id, database.name):
                return database
        raise ApiError(404, 7404, "The database could not be found")

    async def get_database(self, request: Request) -> Response:
        return envelope(self._database(request).described())

    async def query(self, request: Request) -> Response:
        database, content = self._database(request), await request.json()
        if "INSERT INTO" in content["sql"]:
            self._changes.note(request)
        try:
            results = await database.run(statements_of(content["sql"]), content.get("params") or [])
        except (sqlite3.Error, ControlError) as error:
            raise ApiError(400, 7500, f"{error}: SQLITE_ERROR") from error
        meta = {"duration": 0.1, "rows_read": 0, "rows_written": 0, "changes": 0, "served_by": "local"}
        return envelope([{"results": rows, "success": True, "meta": meta} for rows in results])


def statements_of(sql: str) -> list[str]:
    statements, rest = [], ""
    for part in sql.split(";"):
        rest += part + ";"
        if sqlite3.complete_statement(rest):
            statements.append(rest)
            rest = ""
    return statements


async def run_in_sqlite(
    connection: sqlite3.Connection, statements: list[str], parameters: list[Any]
) -> list[list[dict[str, Any]]]:
    """Parameters go to a single statement."""
    results = []
    for statement in statements:
        rows = connection.execute(statement, parameters if len(statements) == 1 else []).fetchall()
        results.append([dict(row) for row in rows])
    return results
