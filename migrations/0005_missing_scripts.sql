-- Since when an app's Worker has been missing at Cloudflare, as far as is known.
ALTER TABLE apps ADD COLUMN missing_since INTEGER;

-- When Cloudflare was last asked whether a Worker is there, and what it said; also of Workers that are no apps.
CREATE TABLE looks (
    app_id     TEXT    PRIMARY KEY,
    began_at   INTEGER NOT NULL,
    is_missing INTEGER NOT NULL DEFAULT 0,
    CHECK (is_missing IN (0, 1))
) STRICT;

CREATE INDEX looks_by_time ON looks (began_at);
