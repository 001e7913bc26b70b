-- What an operator has suspended and set, every act of theirs, and which accounts don't know of them yet.

CREATE TABLE suspensions (
    kind   TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (kind, name),
    CHECK (kind IN ('app', 'site', 'user', 'repository', 'owner')),
    CHECK (name <> '' AND name = lower(name)),
    CHECK (length(reason) BETWEEN 1 AND 500)
) STRICT, WITHOUT ROWID;

CREATE TABLE overrides (
    setting TEXT PRIMARY KEY,
    value   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE acts (
    at          INTEGER PRIMARY KEY,
    act         TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    operator_id INTEGER,
    operator    TEXT    NOT NULL,
    CHECK (act IN ('suspend', 'restore', 'set'))
) STRICT;

CREATE TABLE untold_suspensions (
    account TEXT    PRIMARY KEY,
    version INTEGER NOT NULL,
    try_at  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX suspensions_by_time ON suspensions (at);
CREATE INDEX untold_suspensions_by_turn ON untold_suspensions (try_at);
CREATE INDEX users_by_age ON users (created_at);
CREATE INDEX sites_by_age ON sites (created_at);
CREATE INDEX apps_of_repository ON apps (lower(repository));
CREATE INDEX apps_of_owner ON apps (lower(substr(repository, 1, instr(repository, '/') - 1)));
CREATE INDEX sites_of_repository ON sites (lower(repository));
CREATE INDEX sites_of_owner ON sites (lower(substr(repository, 1, instr(repository, '/') - 1)));

-- Since when the checks of an app have found that what is deployed isn't what was signed.
ALTER TABLE checks ADD COLUMN differs_since INTEGER;

CREATE INDEX differing_checks ON checks (differs_since) WHERE differs_since IS NOT NULL;

-- Some conditions are there in two forms: each can use the index of one of the two tables.
CREATE VIEW suspended_apps AS
SELECT apps.id AS app_id, suspensions.* FROM suspensions JOIN apps
    ON kind = 'app' AND suspensions.name = apps.id
UNION ALL
SELECT apps.id, suspensions.* FROM suspensions JOIN apps
    ON kind = 'user' AND suspensions.name = CAST(user_id AS TEXT)
    AND user_id = CAST(suspensions.name AS INTEGER)
UNION ALL
SELECT apps.id, suspensions.* FROM suspensions JOIN apps
    ON kind = 'repository' AND suspensions.name = lower(repository)
    AND +suspensions.name = lower(repository)
UNION ALL
SELECT apps.id, suspensions.* FROM suspensions JOIN apps
    ON kind = 'owner' AND suspensions.name = lower(substr(repository, 1, instr(repository, '/') - 1))
    AND +suspensions.name = lower(substr(repository, 1, instr(repository, '/') - 1))
UNION ALL
SELECT app_id, suspensions.* FROM suspensions JOIN site_versions
    ON kind = 'site' AND suspensions.name = site;

CREATE VIEW suspended_sites AS
SELECT sites.name AS site, suspensions.* FROM suspensions JOIN sites
    ON kind = 'site' AND suspensions.name = sites.name
UNION ALL
SELECT sites.name, suspensions.* FROM suspensions JOIN sites
    ON kind = 'user' AND suspensions.name = CAST(user_id AS TEXT)
    AND user_id = CAST(suspensions.name AS INTEGER)
UNION ALL
SELECT sites.name, suspensions.* FROM suspensions JOIN sites
    ON kind = 'repository' AND suspensions.name = lower(repository)
    AND +suspensions.name = lower(repository)
UNION ALL
SELECT sites.name, suspensions.* FROM suspensions JOIN sites
    ON kind = 'owner' AND suspensions.name = lower(substr(repository, 1, instr(repository, '/') - 1))
    AND +suspensions.name = lower(substr(repository, 1, instr(repository, '/') - 1));
