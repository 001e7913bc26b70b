"""schema.sql, the migrations, and what the database itself refuses."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = sorted((ROOT / "migrations").glob("*.sql"))
APP = {
    "id": "bcdfghjkmnpq",
    "user_id": 1,
    "repository": "alice/hello",
    "git_ref": "main",
    "commit_hash": "a" * 40,
    "directory": "",
    "created_at": 1,
    "changed_at": 1,
}


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = database_of(ROOT / "schema.sql")
    connection.execute("INSERT INTO users VALUES (1, 'alice', NULL, 1, 1), (2, 'bob', NULL, 1, 1)")
    yield connection
    connection.close()


def database_of(*scripts: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for script in scripts:
        connection.executescript(script.read_text())
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def described(connection: sqlite3.Connection) -> dict[str, str]:
    """Each table and index by its name, without comments and layout."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    lines = {name: [line.partition("--")[0] for line in sql.splitlines()] for name, sql in rows}
    return {name: " ".join(" ".join(parts).split()) for name, parts in lines.items()}


def insert(database: sqlite3.Connection, **changed: object) -> None:
    row = APP | changed
    names = ", ".join(row)
    database.execute(f"INSERT INTO apps ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


def test_the_migrations_make_what_the_schema_says() -> None:
    assert described(database_of(*MIGRATIONS)) == described(database_of(ROOT / "schema.sql"))


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [int(path.name.partition("_")[0]) for path in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_a_database_made_before_there_were_migrations_is_taken_over() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(
        "CREATE TABLE apps (id TEXT PRIMARY KEY, created_at TEXT NOT NULL, deleted_at TEXT) STRICT"
    )
    for script in MIGRATIONS:
        connection.executescript(script.read_text())
    assert described(connection) == described(database_of(ROOT / "schema.sql"))


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"id": "a" * 64},
        {"id": "Upper"},
        {"id": "-a"},
        {"id": "a-"},
        {"id": "a.b"},
        {"user_id": 3},
        {"repository": "hello"},
        {"commit_hash": "a" * 39},
        {"commit_hash": "A" * 40},
        {"status": "unknown"},
        {"status": "failed"},
        {"failure": "a reason without a failure"},
        {"status": "deployed"},
        {"status": "deleted"},
        {"deleted_at": 2},
        {"removed_at": 2},
        {"run_ended": 2},
        {"created_at": "yesterday"},
        {"git_ref": None},
    ],
    ids=str,
)
def test_the_database_refuses_an_app_that_can_not_be(
    database: sqlite3.Connection, changed: dict[str, object]
) -> None:
    insert(database)
    database.execute("DELETE FROM apps")
    with pytest.raises(sqlite3.IntegrityError):
        insert(database, **changed)


@pytest.mark.parametrize("changed", [{}, {"repository": "Alice/Hello"}, {"git_ref": "other-name"}], ids=str)
def test_a_user_has_one_live_app_of_a_source(
    database: sqlite3.Connection, changed: dict[str, object]
) -> None:
    insert(database)
    with pytest.raises(sqlite3.IntegrityError):
        insert(database, id="other", **changed)


@pytest.mark.parametrize(
    "changed",
    [{"user_id": 2}, {"commit_hash": "b" * 40}, {"directory": "api"}, {"repository": "alice/other"}],
    ids=str,
)
def test_what_differs_is_another_app(database: sqlite3.Connection, changed: dict[str, object]) -> None:
    insert(database)
    insert(database, id="other", **changed)
    assert database.execute("SELECT count(*) FROM apps").fetchone() == (2,)


def test_a_source_can_be_deployed_again_once_its_app_is_deleted(database: sqlite3.Connection) -> None:
    for app_id in ("one", "two", "three"):
        insert(database, id=app_id)
        database.execute("UPDATE apps SET status = 'deleted', deleted_at = 2 WHERE id = ?", (app_id,))
    insert(database, id="four")
    assert database.execute("SELECT count(*) FROM apps").fetchone() == (4,)


def test_two_apps_never_share_a_run(database: sqlite3.Connection) -> None:
    insert(database, run_id=7)
    with pytest.raises(sqlite3.IntegrityError):
        insert(database, id="other", directory="api", run_id=7)


def test_a_user_with_apps_can_not_vanish_and_their_sessions_go_with_them(
    database: sqlite3.Connection,
) -> None:
    insert(database)
    with pytest.raises(sqlite3.IntegrityError):
        database.execute("DELETE FROM users WHERE id = 1")
    database.execute("INSERT INTO sessions VALUES (?, 2, 1, 2)", ("a" * 64,))
    database.execute("DELETE FROM users WHERE id = 2")
    assert database.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
