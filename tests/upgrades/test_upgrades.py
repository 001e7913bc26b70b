"""Newer code on older data, and older code on newer data.

`*.sql` are what earlier versions left, with data in every table: one for each version that ever was.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ledger import Lease, Ledger
from local.staging import ROOT
from pricing import Price
from schema import MIGRATIONS as OBJECT_MIGRATIONS
from store.sums import TAKEN
from tests.billing.sqlite_database import SqliteDatabase

FOLDER = Path(__file__).parent
MIGRATIONS = sorted((ROOT / "migrations").glob("*.sql"))


def numbered(kind: str) -> list[Path]:
    return sorted(FOLDER.glob(f"{kind}-*.sql"), key=lambda path: int(path.stem.rpartition("-")[2]))


DATABASES, OBJECTS = numbered("database"), numbered("object")
PRICE = Price(100, 300_000_000, 1_000_000)
NOW = 1_800_000_000_000


def loaded(*scripts: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for script in scripts:
        connection.executescript(script.read_text())
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in rows]


def test_every_earlier_version_is_kept() -> None:
    assert len(DATABASES) == len(MIGRATIONS)
    assert len(OBJECTS) == len(OBJECT_MIGRATIONS)


@pytest.mark.parametrize(("number", "dump"), list(enumerate(DATABASES, 1)), ids=str)
def test_a_database_of_any_version_becomes_the_newest_and_loses_nothing(number: int, dump: Path) -> None:
    before, after = loaded(dump), loaded(dump, *MIGRATIONS[number:])
    assert tables(before)
    for table in tables(before):
        rows = before.execute(f"SELECT * FROM {table}").fetchall()
        assert rows, f"{table} has data to lose"
        columns = ", ".join(name for _, name, *_ in before.execute(f"PRAGMA table_info({table})"))
        assert after.execute(f"SELECT {columns} FROM {table}").fetchall() == rows
    newest = loaded(*MIGRATIONS)
    described = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    assert after.execute(described).fetchall() == newest.execute(described).fetchall()
    assert after.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("dump", DATABASES, ids=lambda path: path.stem)
def test_what_earlier_code_writes_the_newest_database_takes(dump: Path) -> None:
    """So a Worker's code can be rolled back: its rows are those of its version."""
    newest = loaded(*MIGRATIONS)
    newest.execute("PRAGMA foreign_keys = OFF")  # a dump's order is that of names
    inserts = [line for line in dump.read_text().splitlines() if line.startswith("INSERT")]
    assert inserts
    old = loaded(dump)
    for line in inserts:
        table = line.split('"')[1]
        columns = ", ".join(name for _, name, *_ in old.execute(f"PRAGMA table_info({table})"))
        newest.execute(line.replace(f'"{table}"', f"{table} ({columns})", 1))
    assert newest.execute("PRAGMA foreign_key_check").fetchall() == []


def test_what_was_taken_back_of_each_payment_is_known_at_once() -> None:
    connection = loaded(FOLDER / "database-18.sql", *MIGRATIONS[18:])
    assert connection.execute(f"SELECT id FROM payments WHERE taken <> {TAKEN}").fetchall() == []
    assert connection.execute("SELECT count(*) FROM payments WHERE taken > 0").fetchone() != (0,)


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_takes_nothing_away_that_earlier_code_uses(migration: Path) -> None:
    statements = " ".join(line.partition("--")[0] for line in migration.read_text().upper().splitlines())
    for taken in ("DROP COLUMN", "RENAME", "DROP TABLE"):
        # The first one makes way for a table that a release never had.
        assert taken not in statements or migration == MIGRATIONS[0], taken
    added = [part for part in statements.split(";") if "ADD COLUMN" in part]
    assert all("NOT NULL" not in part or "DEFAULT" in part for part in added)


def test_what_earlier_code_took_back_is_known_as_what_each_refund_and_dispute_takes_back() -> None:
    connection = loaded(FOLDER / "database-6.sql")
    paid = "INSERT INTO payments VALUES (?, 'bcdfghjkmnpq', NULL, 'credited', 1000, ?, 1, ?, 0)"
    for number, paid_at in enumerate((2, 9), 5):
        connection.execute(paid, (f"cs_{number}", f"pi_{number}", paid_at))
    taken = [("re_5", -500, 1), ("re_5-failed", 500, 1), ("dp_5", -1000, 1), ("dp_5-won", 400, None)]
    for id_, cents, applied_at in taken:
        row = (id_, "cs_5", "refund", cents, 3, applied_at)
        connection.execute("INSERT INTO adjustments VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.execute("UPDATE apps SET status = 'deleted', deleted_at = 5 WHERE id = 'bcdfghjkmnpq'")
    connection.executescript(MIGRATIONS[6].read_text())
    rows = connection.execute("SELECT id, amount_cents, booked_version = version FROM reversals ORDER BY id")
    assert rows.fetchall() == [("dp_5", 600, 0), ("re_1", 100, 1), ("re_5", 0, 1)]
    # Stripe is asked about them again, as some were noted in the wrong order.
    again = connection.execute("SELECT id FROM payments WHERE known_version < asked_version ORDER BY id")
    assert again.fetchall() == [("cs_1",), ("cs_5",)]
    late = connection.execute("SELECT id FROM payments WHERE refund_reason = 'deleted'")
    assert late.fetchall() == [("cs_6",)]


@pytest.mark.parametrize("dump", OBJECTS, ids=lambda path: path.stem)
def test_an_object_of_any_version_goes_on_with_its_books(dump: Path) -> None:
    database = SqliteDatabase()
    database.connection.executescript(dump.read_text())
    ledger = Ledger(database, PRICE)
    billing = ledger.billing(NOW)
    assert billing is not None
    assert (billing.funding_cents, billing.requests) == (500, 42)
    assert ledger.add_funds(NOW, "cs_old", 500) == "credited"
    assert ledger.add_funds(NOW, "cs_new", 100) == "credited"
    after = ledger.billing(NOW)
    assert after is not None
    assert after.funding_cents == 600
    assert not isinstance(ledger.take_lease(NOW, 10), str)


def test_leases_and_usage_of_an_older_object_go_on() -> None:
    """In version 1 leases and hours had rows of their own."""
    database = SqliteDatabase()
    database.connection.executescript((FOLDER / "object-1.sql").read_text())
    hour, ended = 497_222, 497_222 * 3_600_000 - 1
    day = hour // 24
    running = ended + 20_000
    database.connection.executescript(
        f"""
        UPDATE account SET requests = 60, leased = 50, lost = 7, next_lease = 5;
        INSERT INTO lease VALUES (3, 50, {running}, 0), (4, 7, {ended}, 1);
        INSERT INTO usage_hour VALUES ({hour - 1}, 5), ({hour - 24}, 12);
        INSERT INTO usage_day VALUES ({day}, 5), ({day - 1}, 12);
        """
    )
    ledger = Ledger(database, PRICE)
    now = hour * 3_600_000 + 1
    assert ledger.usage_per_hour(now, 25) == [12, *22 * [0], 5, 42]
    assert ledger.usage_per_day(now, 2) == [12, 47]
    ledger.settle_lease(now, 3, 30)
    ledger.settle_lease(now, 4, 7)
    assert Ledger(database, PRICE).usage_per_hour(now, 1) == [79]
    billing = ledger.billing(now)
    assert billing is not None
    assert (billing.requests, billing.remaining_requests) == (97, PRICE.allowed_requests(500) - 97)
    assert ledger.usage_per_day(now + 24 * 3_600_000, 3) == [12, 84, 0]


def test_what_earlier_code_leased_after_a_rollback_is_neither_charged_nor_granted_again() -> None:
    database = SqliteDatabase()
    ledger = Ledger(database, PRICE)
    ledger.open(NOW)
    ledger.add_funds(NOW, "cs_1", 100)
    lease = ledger.take_lease(NOW, 10)
    assert isinstance(lease, Lease)
    assert lease.id is not None
    database.connection.executescript(
        f"""
        UPDATE account SET leased = leased + 30, next_lease = next_lease + 1;
        INSERT INTO lease VALUES ({lease.id + 1}, 30, {NOW + 30_000}, 0);
        """
    )
    again = Ledger(database, PRICE)
    again.settle_lease(NOW, lease.id, 4)
    billing = again.billing(NOW)
    assert billing is not None
    assert (billing.requests, billing.remaining_requests) == (4, PRICE.allowed_requests(100) - 4 - 30)


def test_an_object_of_a_later_version_is_used_as_it_is() -> None:
    """After a rollback: later versions only add."""
    database = SqliteDatabase()
    ledger = Ledger(database, PRICE)
    ledger.open(NOW)
    later = len(OBJECT_MIGRATIONS) + 1
    database.connection.execute("UPDATE schema_version SET version = ?", (later,))
    database.connection.execute("ALTER TABLE account ADD COLUMN added TEXT")
    again = Ledger(database, PRICE)
    assert again.add_funds(NOW, "cs_1", 100) == "credited"
    assert not isinstance(again.take_lease(NOW, 10), str)
    assert database.connection.execute("SELECT version FROM schema_version").fetchone() == (later,)
