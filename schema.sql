-- The dashboard's database (D1). Every statement can be applied again.

CREATE TABLE IF NOT EXISTS apps (
    id         TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    deleted_at TEXT
) STRICT;
