"""The tables of one app's or site's billing object, and how an older object's tables become the newest.

An object that was never opened has no tables: nothing is stored for an app that doesn't exist.
"""

from __future__ import annotations

from database import Database, NotThereError, Value

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT",
        "INSERT INTO schema_version VALUES (0)",
        # One row. All that each charge changes is in it, so that a charge writes one row.
        """
        CREATE TABLE account (
            id             INTEGER PRIMARY KEY CHECK (id = 1),
            opened_at      INTEGER NOT NULL,            -- milliseconds since 1970, as all times
            closed_at      INTEGER,
            funding_cents  INTEGER NOT NULL DEFAULT 0,  -- payments less what was taken back
            requests       INTEGER NOT NULL DEFAULT 0 CHECK (requests >= 0),  -- charged for good
            leased         INTEGER NOT NULL DEFAULT 0 CHECK (leased >= 0),    -- in leases that run
            lost           INTEGER NOT NULL DEFAULT 0 CHECK (lost >= 0),      -- in leases that expired
            next_lease     INTEGER NOT NULL DEFAULT 1,
            hour           INTEGER NOT NULL,            -- hours since 1970
            hour_requests  INTEGER NOT NULL DEFAULT 0   -- charged in this hour, not in usage_hour yet
        ) STRICT
        """,
        """
        CREATE TABLE lease (
            id         INTEGER PRIMARY KEY,
            requests   INTEGER NOT NULL CHECK (requests > 0),
            expires_at INTEGER NOT NULL,
            expired    INTEGER NOT NULL DEFAULT 0 CHECK (expired IN (0, 1))
        ) STRICT
        """,
        """
        CREATE TABLE payment (
            id           TEXT PRIMARY KEY,
            amount_cents INTEGER NOT NULL CHECK (amount_cents != 0),  -- negative: taken back
            created_at   INTEGER NOT NULL
        ) STRICT
        """,
        "CREATE TABLE usage_hour (hour INTEGER PRIMARY KEY, requests INTEGER NOT NULL) STRICT",
        "CREATE TABLE usage_day (day INTEGER PRIMARY KEY, requests INTEGER NOT NULL) STRICT",
    ),
    # The newest version of each reversal that was told; what is booked of it is in `payment`.
    ("CREATE TABLE reversal (id TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT",),
    # Leases and the hours of today move into the account's row, those of a past day into the day's. The
    # tables that held them stay, empty: an earlier version of this code writes to them after a rollback.
    (
        "ALTER TABLE account ADD COLUMN leases TEXT NOT NULL DEFAULT '{}'",  # id: [requests, end, expired]
        "ALTER TABLE account ADD COLUMN day_hours TEXT NOT NULL DEFAULT '{}'",  # hour since 1970: requests
        "ALTER TABLE usage_day ADD COLUMN hours TEXT NOT NULL DEFAULT '{}'",  # hour of the day: requests
        """
        UPDATE account SET leases =
            (SELECT json_group_object(id, json_array(requests, expires_at, expired)) FROM lease)
        """,
        """
        UPDATE account SET day_hours =
            (SELECT json_group_object(usage_hour.hour, usage_hour.requests) FROM usage_hour
             WHERE usage_hour.hour / 24 = account.hour / 24)
        """,
        """
        UPDATE usage_day SET hours =
            (SELECT json_group_object(hour % 24, usage_hour.requests) FROM usage_hour WHERE hour / 24 = day)
        """,
        "DELETE FROM usage_day WHERE day = (SELECT hour / 24 FROM account)",
        "DELETE FROM usage_hour",
        "DELETE FROM lease",
    ),
    # Which Worker serves a site, and from when on.
    (
        "ALTER TABLE account ADD COLUMN schedule TEXT NOT NULL DEFAULT '[]'",  # [[since, Worker], ...]
        "ALTER TABLE account ADD COLUMN schedule_version INTEGER NOT NULL DEFAULT 0",
    ),
    # Why which Worker may not serve, '' for all of the account. A table of its own: an app can be suspended
    # before its account is opened.
    (
        """
        CREATE TABLE suspension (
            id      INTEGER PRIMARY KEY CHECK (id = 1),
            version INTEGER NOT NULL,
            reasons TEXT NOT NULL                       -- Worker: reason
        ) STRICT
        """,
    ),
)


def stored_version(database: Database) -> int:
    """The schema version of the tables, 0 when there are none."""
    try:
        ((version,),) = database.execute("SELECT version FROM schema_version")
    except NotThereError:
        return 0
    assert isinstance(version, int)
    return version


def is_older(version: Value) -> bool:
    """Whether tables of this version lack something."""
    assert isinstance(version, int)
    return version < len(MIGRATIONS)


def migrate(database: Database) -> None:
    """Bring the tables to the newest version; newer ones than this code knows are left as they are."""

    def apply_missing() -> None:
        for version, statements in enumerate(
            MIGRATIONS[stored_version(database) :], stored_version(database) + 1
        ):
            for statement in statements:
                database.execute(statement)
            database.execute("UPDATE schema_version SET version = ?", version)

    if is_older(stored_version(database)):
        database.transaction(apply_missing)
