-- What deployers are told, each once for its cause: written with the change that is the cause.
CREATE TABLE notices (
    user_id  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    cause    TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    about    TEXT    NOT NULL,                    -- of what kind `name` is
    name     TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,          -- to send it
    ended_at INTEGER,                             -- when it was sent, or given up
    PRIMARY KEY (user_id, cause),
    CHECK (kind IN ('deployed', 'failed', 'suspended', 'restored', 'low', 'used_up', 'differs', 'webhook')),
    CHECK (about IN ('app', 'site', 'user', 'repository', 'owner'))
) STRICT, WITHOUT ROWID;

CREATE INDEX notices_of_user ON notices (user_id, at);
CREATE INDEX notices_by_time ON notices (at);

-- How a user wants to be told.
CREATE TABLE notice_settings (
    user_id       INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    feed_hash     TEXT,                           -- SHA-256 of the key in the feed's address, in hexadecimal
    low_cents     INTEGER,                        -- balances below this are told; NULL where none is looked at
    hook_url      TEXT,
    hook_number   INTEGER NOT NULL DEFAULT 0,     -- of the webhook's secret
    hook_since    INTEGER NOT NULL DEFAULT 0,     -- what came since then is sent
    hook_try_at   INTEGER NOT NULL DEFAULT 0,
    hook_failures INTEGER NOT NULL DEFAULT 0,     -- in a row
    hook_failing_since INTEGER,
    hook_failure  TEXT,                           -- what came of the latest attempt, if it failed
    hook_off_at   INTEGER,                        -- when it was switched off, as it failed for long
    CHECK (length(feed_hash) = 64),
    CHECK (low_cents >= 0)
) STRICT;

CREATE UNIQUE INDEX feeds ON notice_settings (feed_hash) WHERE feed_hash IS NOT NULL;
CREATE INDEX due_hooks ON notice_settings (hook_try_at) WHERE hook_url IS NOT NULL AND hook_off_at IS NULL;
CREATE INDEX watching_users ON notice_settings (user_id) WHERE low_cents IS NOT NULL;

-- What was last seen of the balances that are looked at.
CREATE TABLE balances (
    account   TEXT    PRIMARY KEY,
    looked_at INTEGER NOT NULL,
    level     INTEGER NOT NULL DEFAULT 0,         -- 1 low, 2 used up
    CHECK (level IN (0, 1, 2))
) STRICT, WITHOUT ROWID;

CREATE INDEX balances_by_look ON balances (looked_at);
