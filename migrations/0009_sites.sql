-- Sites: names that users own, each of which serves one of its apps at a time.

CREATE TABLE sites (
    name        TEXT    PRIMARY KEY,              -- DNS label, name of the billing object; its owner's for ever
    user_id     INTEGER NOT NULL REFERENCES users (id),
    repository  TEXT    NOT NULL,                 -- owner/name, as GitHub spells it
    directory   TEXT    NOT NULL,                 -- '' is the repository's root
    branch      TEXT    NOT NULL,
    notice_ms   INTEGER NOT NULL DEFAULT 0,       -- how long a new version is announced before it serves
    held_until  INTEGER NOT NULL DEFAULT 0,       -- until when a longer notice that there was before still holds
    created_at  INTEGER NOT NULL,
    deleted_at  INTEGER,
    changed_at  INTEGER NOT NULL,                 -- `at` of its latest event
    told_at     INTEGER NOT NULL DEFAULT 0,       -- `at` of the latest event that its object knows
    certain_at  INTEGER NOT NULL DEFAULT 0,       -- from when on no lease is left from before that
    try_at      INTEGER NOT NULL DEFAULT 0,       -- when its object is to be told next
    follows     INTEGER NOT NULL DEFAULT 0,       -- whether its branch is looked at now and then
    looked_at   INTEGER NOT NULL DEFAULT 0,
    head        TEXT,                             -- the commit that it had then
    hook_number INTEGER NOT NULL DEFAULT 0,       -- of its webhook's secret, 0 without any
    wanted_at   INTEGER,                          -- since when its branch's newest commit is to be deployed
    wanted_try_at INTEGER NOT NULL DEFAULT 0,     -- when that is to be tried next
    CHECK (length(name) BETWEEN 3 AND 40 AND name NOT GLOB '*[^a-z0-9-]*' AND name NOT GLOB '-*' AND name NOT GLOB '*-'),
    CHECK (repository GLOB '?*/?*'),
    CHECK (branch <> ''),
    CHECK (notice_ms IN (0, 3600000, 86400000, 604800000)),
    CHECK (told_at <= changed_at),
    CHECK (follows IN (0, 1))
) STRICT;

CREATE INDEX sites_of_user ON sites (user_id, created_at);
CREATE INDEX untold_sites ON sites (try_at) WHERE told_at < changed_at;
CREATE INDEX followed_sites ON sites (looked_at) WHERE follows = 1 AND deleted_at IS NULL;
CREATE INDEX wanting_sites ON sites (wanted_try_at) WHERE wanted_at IS NOT NULL;

-- The apps that were made for a site, or given its name.
CREATE TABLE site_versions (
    site     TEXT    NOT NULL REFERENCES sites (name),
    app_id   TEXT    NOT NULL REFERENCES apps (id),
    user_id  INTEGER REFERENCES users (id),       -- who asked for it, NULL where the branch was followed
    asked_at INTEGER NOT NULL,
    is_made  INTEGER NOT NULL,                    -- whether the app was made for the site
    ended_at INTEGER,                             -- when it was announced, or had failed
    PRIMARY KEY (site, app_id),
    CHECK (is_made IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX versions_of_app ON site_versions (app_id);
CREATE UNIQUE INDEX unended_version_of_site ON site_versions (site) WHERE ended_at IS NULL;

-- All that ever became of a site, in one order: only ever added to.
CREATE TABLE site_events (
    site        TEXT    NOT NULL REFERENCES sites (name),
    at          INTEGER NOT NULL,                 -- later than the event before
    kind        TEXT    NOT NULL,
    user_id     INTEGER REFERENCES users (id),    -- whose doing it was, NULL where the branch was followed
    app_id      TEXT    REFERENCES apps (id),     -- what is to serve
    serves_from INTEGER,                          -- and from when on, unless it is withdrawn
    withdraws   INTEGER,                          -- `at` of the event that this one withdraws
    notice_ms   INTEGER,                          -- the notice from now on
    PRIMARY KEY (site, at),
    CHECK (kind IN ('creation', 'version', 'switch', 'return', 'withdrawal', 'notice', 'deletion')),
    CHECK ((kind IN ('version', 'switch', 'return')) = (app_id IS NOT NULL)),
    CHECK ((app_id IS NULL) = (serves_from IS NULL)),
    CHECK (serves_from >= at),
    CHECK ((kind = 'withdrawal') = (withdraws IS NOT NULL)),
    CHECK ((kind IN ('creation', 'notice')) = (notice_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX withdrawals ON site_events (site, withdraws) WHERE withdraws IS NOT NULL;
CREATE INDEX switches ON site_events (site, serves_from, at) WHERE serves_from IS NOT NULL;
CREATE INDEX switches_to_app ON site_events (app_id) WHERE app_id IS NOT NULL;

-- The site whose account it is for; `app_id` is then the version that the site had.
ALTER TABLE payments ADD COLUMN site TEXT REFERENCES sites (name);
CREATE INDEX payments_of_site ON payments (site, created_at) WHERE site IS NOT NULL;
