-- What was signed of each app's latest deploy.
CREATE TABLE attestations (
    app_id          TEXT    PRIMARY KEY REFERENCES apps (id),
    manifest_sha256 TEXT    NOT NULL,
    manifest        TEXT,                         -- JSON, once GitHub has given it out
    CHECK (length(manifest_sha256) = 64 AND manifest_sha256 NOT GLOB '*[^0-9a-f]*')
) STRICT;

-- What was last found when what is deployed was compared with what was signed.
CREATE TABLE checks (
    app_id   TEXT    PRIMARY KEY REFERENCES apps (id),
    began_at INTEGER NOT NULL,
    status   INTEGER,                             -- of HTTP
    document TEXT,                                -- JSON
    CHECK ((status IS NULL) = (document IS NULL))
) STRICT;

CREATE INDEX checks_by_time ON checks (began_at);
