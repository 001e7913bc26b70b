"""A stand-in for "D1" of Cloudflare's API reference (v4), as far as wrangler goes."""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.cloudflare.answers import ApiError, collection, envelope, timestamp
from local.cloudflare.changes import Changes


@dataclass(slots=True)
class Database:
    """A D1 database: a real SQLite in memory."""

    id: str
    name: str
    created_at: str
    connection: sqlite3.Connection

    def described(self) -> dict[str, Any]:
        return {"uuid": self.id, "name": self.name, "created_at": self.created_at, "version": "production"}


class Databases:
    """The databases by their ids."""

    def __init__(self, changes: Changes) -> None:
        self.by_id: dict[str, Database] = {}
        self._changes = changes

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
        database = Database(str(uuid.uuid4()), name, timestamp(), connection)
        self.by_id[database.id] = database
        return envelope(database.described())

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
            results = run_sql(database.connection, content["sql"], content.get("params") or [])
        except sqlite3.Error as error:
            raise ApiError(400, 7500, f"{error}: SQLITE_ERROR") from error
        meta = {"duration": 0.1, "rows_read": 0, "rows_written": 0, "changes": 0, "served_by": "local"}
        return envelope([{"results": rows, "success": True, "meta": meta} for rows in results])


def run_sql(connection: sqlite3.Connection, sql: str, parameters: list[Any]) -> list[list[dict[str, Any]]]:
    """Run statements; return the rows of each. Parameters go to a single statement."""
    statements, rest = [], ""
    for part in sql.split(";"):
        rest += part + ";"
        if sqlite3.complete_statement(rest):
            statements.append(rest)
            rest = ""
    results = []
    for statement in statements:
        rows = connection.execute(statement, parameters if len(statements) == 1 else []).fetchall()
        results.append([dict(row) for row in rows])
    return results
