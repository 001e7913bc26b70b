-- What apps failed with lately, by kinds of their messages; for their deployers.
CREATE TABLE failures (
    app_id   TEXT    NOT NULL REFERENCES apps (id),
    kind     TEXT    NOT NULL,                    -- the message without ids and amounts; '' is all that was of too many kinds
    message  TEXT    NOT NULL,                    -- the latest, as its path and its requests
    path     TEXT    NOT NULL,                    -- without the query
    requests TEXT    NOT NULL,                    -- ids, the newest first, with spaces between them
    times    INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (app_id, kind),
    CHECK (times > 0)
) STRICT, WITHOUT ROWID;
