CREATE TABLE accounts (
    account       TEXT    PRIMARY KEY,
    requests      INTEGER NOT NULL DEFAULT 0,     -- that were used
    cost_nano_usd INTEGER NOT NULL DEFAULT 0,
    changed_at    INTEGER NOT NULL,               -- when it was last seen that they had changed
    look_at       INTEGER                         -- when it is to be asked next; NULL where it is closed
, funding_cents INTEGER) STRICT, WITHOUT ROWID;
INSERT INTO "accounts" VALUES('bcdfghjkmnpq',42,0,4,5,7);
INSERT INTO "accounts" VALUES('example',0,0,0,5,0);
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
INSERT INTO "acts" VALUES(9,'suspend','app','bcdfghjkmnpq','Phishing.',1,'alice');
CREATE TABLE adjustments (
    id           TEXT    PRIMARY KEY,             -- the object books it under this id
    payment_id   TEXT    NOT NULL REFERENCES payments (id),
    kind         TEXT    NOT NULL,
    amount_cents INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    applied_at   INTEGER,                         -- when the object had booked it
    CHECK (kind IN ('refund', 'dispute')),
    CHECK (amount_cents <> 0)
) STRICT;
INSERT INTO "adjustments" VALUES('re_1','cs_1','refund',-100,3,4);
CREATE TABLE apps (
    id          TEXT    PRIMARY KEY,              -- DNS label, name of the Worker and of the billing object
    user_id     INTEGER NOT NULL REFERENCES users (id),
    repository  TEXT    NOT NULL,                 -- owner/name, as GitHub spells it
    git_ref     TEXT    NOT NULL,                 -- branch, tag or commit, as it was named at the time of deploy
    commit_hash TEXT    NOT NULL,
    directory   TEXT    NOT NULL,                 -- '' is the repository's root
    status      TEXT    NOT NULL DEFAULT 'pending',
    failure     TEXT,                             -- why it failed, for its deployer
    run_id      INTEGER,                          -- the workflow run on GitHub
    run_attempt INTEGER NOT NULL DEFAULT 1,
    run_ended   INTEGER NOT NULL DEFAULT 0,       -- whether nothing more can come of a run
    created_at  INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,                 -- of the status or the run
    asked_at    INTEGER NOT NULL DEFAULT 0,       -- when GitHub was last asked how far the run is
    deployed_at INTEGER,
    deleted_at  INTEGER,
    removed_at  INTEGER, missing_since INTEGER, run_began_at INTEGER NOT NULL DEFAULT 0,                          -- when script and account of a deleted app were gone, too
    CHECK (length(id) BETWEEN 1 AND 63 AND id NOT GLOB '*[^a-z0-9-]*' AND id NOT GLOB '-*' AND id NOT GLOB '*-'),
    CHECK (repository GLOB '?*/?*'),
    CHECK (length(commit_hash) = 40 AND commit_hash NOT GLOB '*[^0-9a-f]*'),
    CHECK (status IN ('pending', 'queued', 'building', 'deploying', 'attesting', 'deployed', 'failed', 'deleted')),
    CHECK ((status = 'failed') = (failure IS NOT NULL)),
    CHECK (run_ended IN (0, 1)),
    CHECK (status <> 'deployed' OR deployed_at IS NOT NULL),
    CHECK ((status = 'deleted') = (deleted_at IS NOT NULL)),
    CHECK (removed_at IS NULL OR deleted_at IS NOT NULL)
) STRICT;
INSERT INTO "apps" VALUES('bcdfghjkmnpq',1,'alice/hello','main','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','','deployed',NULL,7,1,1,1,2,0,2,NULL,NULL,3,0);
INSERT INTO "apps" VALUES('cdfghjkmnpqr',2,'bob/x','v1','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','api','failed','The build failed.',8,1,1,1,2,0,NULL,NULL,NULL,NULL,0);
CREATE TABLE attestations (
    app_id          TEXT    PRIMARY KEY REFERENCES apps (id),
    manifest_sha256 TEXT    NOT NULL,
    manifest        TEXT, log_index INTEGER,                         -- JSON, once GitHub has given it out
    CHECK (length(manifest_sha256) = 64 AND manifest_sha256 NOT GLOB '*[^0-9a-f]*')
) STRICT;
INSERT INTO "attestations" VALUES('bcdfghjkmnpq','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','{}',123456789);
CREATE TABLE balances (
    account   TEXT    PRIMARY KEY,
    looked_at INTEGER NOT NULL,
    level     INTEGER NOT NULL DEFAULT 0,         -- 1 low, 2 used up
    CHECK (level IN (0, 1, 2))
) STRICT, WITHOUT ROWID;
INSERT INTO "balances" VALUES('bcdfghjkmnpq',7,1);
CREATE TABLE checks (
    app_id   TEXT    PRIMARY KEY REFERENCES apps (id),
    began_at INTEGER NOT NULL,
    status   INTEGER,                             -- of HTTP
    document TEXT, period INTEGER NOT NULL DEFAULT 0, made INTEGER NOT NULL DEFAULT 0, wanted_at INTEGER, differs_since INTEGER,                                -- JSON
    CHECK ((status IS NULL) = (document IS NULL))
) STRICT;
INSERT INTO "checks" VALUES('bcdfghjkmnpq',5,200,'{}',1,2,NULL,NULL);
CREATE TABLE days (
    day      INTEGER PRIMARY KEY,
    apps     INTEGER NOT NULL DEFAULT 0,          -- made on it
    requests INTEGER NOT NULL DEFAULT 0           -- seen on it in the accounts
) STRICT;
INSERT INTO "days" VALUES(0,2,0);
CREATE TABLE deploys (
    app_id   TEXT    NOT NULL REFERENCES apps (id),
    user_id  INTEGER NOT NULL REFERENCES users (id),
    began_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, began_at)
) STRICT, WITHOUT ROWID;
INSERT INTO "deploys" VALUES('bcdfghjkmnpq',1,3);
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
INSERT INTO "failures" VALUES('bcdfghjkmnpq','No user #','No user 7','/users/7','8f1c-FRA 8f1b-FRA',3,5,9);
CREATE TABLE looks (
    app_id     TEXT    PRIMARY KEY,
    began_at   INTEGER NOT NULL,
    is_missing INTEGER NOT NULL DEFAULT 0,
    CHECK (is_missing IN (0, 1))
) STRICT;
INSERT INTO "looks" VALUES('bcdfghjkmnpq',3,1);
CREATE TABLE lookups (
    user_id INTEGER PRIMARY KEY REFERENCES users (id),
    hour    INTEGER NOT NULL,
    made    INTEGER NOT NULL
) STRICT;
INSERT INTO "lookups" VALUES(1,2,1);
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
INSERT INTO "notice_settings" VALUES(1,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',500,'https://hooks.example/codius',2,3,9,1,8,'the answer was 503',NULL);
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
INSERT INTO "notices" VALUES(1,'deployed bcdfghjkmnpq','deployed','app','bcdfghjkmnpq','alice/hello, commit abc',3,1,4);
CREATE TABLE overrides (
    setting TEXT PRIMARY KEY,
    value   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "overrides" VALUES('deploys','off');
CREATE TABLE payments (
    id             TEXT    PRIMARY KEY,           -- of the Checkout Session; the object credits it under this id
    app_id         TEXT    NOT NULL REFERENCES apps (id),
    user_id        INTEGER REFERENCES users (id), -- who paid, if they were logged in
    status         TEXT    NOT NULL,
    amount_cents   INTEGER,                       -- US cents, once it is paid
    payment_intent TEXT,
    created_at     INTEGER NOT NULL,
    paid_at        INTEGER,
    asked_at       INTEGER NOT NULL DEFAULT 0, asked_version INTEGER NOT NULL DEFAULT 0, known_version INTEGER NOT NULL DEFAULT 0, refund_reason TEXT
    CHECK (refund_reason IN ('deleted', 'missing', 'currency', 'nothing')), currency TEXT, paid_amount INTEGER, failed_at INTEGER, failure TEXT, site TEXT REFERENCES sites (name), is_anonymous INTEGER NOT NULL DEFAULT 0
    CHECK (is_anonymous IN (0, 1)), wanted TEXT, asked_cents INTEGER, taken INTEGER NOT NULL DEFAULT 0,    -- when Stripe was last asked about it
    CHECK (status IN ('open', 'processing', 'paid', 'credited', 'expired', 'failed')),
    CHECK ((status IN ('paid', 'credited')) = (amount_cents IS NOT NULL)),
    CHECK ((status IN ('paid', 'credited')) = (paid_at IS NOT NULL)),
    CHECK (amount_cents > 0)
) STRICT;
INSERT INTO "payments" VALUES('cs_1','bcdfghjkmnpq',1,'credited',500,'pi_1',1,2,0,1,0,NULL,NULL,NULL,NULL,NULL,NULL,1,'/deep?a',500,100);
INSERT INTO "payments" VALUES('cs_2','bcdfghjkmnpq',NULL,'open',NULL,NULL,1,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0);
INSERT INTO "payments" VALUES('cs_3','bcdfghjkmnpq',NULL,'failed',NULL,'pi_3',1,NULL,0,0,0,'currency','eur',500,NULL,NULL,NULL,0,NULL,NULL,0);
INSERT INTO "payments" VALUES('cs_4','bcdfghjkmnpq',NULL,'paid',700,'pi_4',1,2,0,5,5,NULL,NULL,NULL,3,'no account',NULL,0,NULL,NULL,700);
INSERT INTO "payments" VALUES('cs_5','bcdfghjkmnpq',NULL,'credited',300,'pi_5',7,8,0,0,0,NULL,NULL,NULL,NULL,NULL,'example',0,NULL,NULL,50);
CREATE TABLE refusals (
    day     INTEGER NOT NULL,
    limited TEXT    NOT NULL,                     -- the name of the setting
    asker   TEXT    NOT NULL,                     -- a user's id, or of what kind an address was
    times   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (day, limited, asker)
) STRICT, WITHOUT ROWID;
INSERT INTO "refusals" VALUES(20000,'DEPLOYS_PER_HOUR','1',3,1728000000001);
CREATE TABLE reversals (
    id             TEXT    PRIMARY KEY,           -- Stripe's, of the refund or dispute; the object books it under this id
    payment_id     TEXT    NOT NULL REFERENCES payments (id),
    amount_cents   INTEGER NOT NULL,              -- what it takes back now, in all
    version        INTEGER NOT NULL,              -- with which this amount was told
    booked_version INTEGER NOT NULL DEFAULT 0,    -- the last that the object has booked
    created_at     INTEGER NOT NULL,
    try_at         INTEGER NOT NULL DEFAULT 0,    -- when its booking is to be tried next
    tries          INTEGER NOT NULL DEFAULT 0,    -- since the amount was told
    failed_at      INTEGER,                       -- when and why the object last failed to book it
    failure        TEXT, kind TEXT NOT NULL DEFAULT 'refund'
    CHECK (kind IN ('refund', 'dispute')),
    CHECK (amount_cents >= 0)
) STRICT;
INSERT INTO "reversals" VALUES('re_1','cs_1',100,1,1,3,0,0,NULL,NULL,'refund');
INSERT INTO "reversals" VALUES('dp_1','cs_4',700,5,0,5,6,1,5,'no account','dispute');
INSERT INTO "reversals" VALUES('du_1','cs_5',50,7,0,9,0,0,NULL,NULL,'dispute');
CREATE TABLE sessions (
    token_hash TEXT    PRIMARY KEY,               -- SHA-256 of the cookie's token, in hexadecimal
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CHECK (length(token_hash) = 64),
    CHECK (expires_at > created_at)
) STRICT, WITHOUT ROWID;
INSERT INTO "sessions" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1,1,9);
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
INSERT INTO "site_events" VALUES('example',5,'creation',1,NULL,NULL,NULL,3600000);
INSERT INTO "site_events" VALUES('example',6,'version',1,'bcdfghjkmnpq',6,NULL,NULL);
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
INSERT INTO "site_versions" VALUES('example','bcdfghjkmnpq',1,5,0,6);
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
    wanted_try_at INTEGER NOT NULL DEFAULT 0, repository_id INTEGER,     -- when that is to be tried next
    CHECK (length(name) BETWEEN 3 AND 40 AND name NOT GLOB '*[^a-z0-9-]*' AND name NOT GLOB '-*' AND name NOT GLOB '*-'),
    CHECK (repository GLOB '?*/?*'),
    CHECK (branch <> ''),
    CHECK (notice_ms IN (0, 3600000, 86400000, 604800000)),
    CHECK (told_at <= changed_at),
    CHECK (follows IN (0, 1))
) STRICT;
INSERT INTO "sites" VALUES('example',1,'alice/hello','','main',3600000,0,5,NULL,6,6,7,0,0,0,NULL,1,NULL,0,1296269);
CREATE TABLE sums (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "sums" VALUES('apps deployed',1);
INSERT INTO "sums" VALUES('apps failed',1);
INSERT INTO "sums" VALUES('paid_cents',650);
INSERT INTO "sums" VALUES('payments credited',2);
INSERT INTO "sums" VALUES('payments failed',1);
INSERT INTO "sums" VALUES('payments open',1);
INSERT INTO "sums" VALUES('payments paid',1);
INSERT INTO "sums" VALUES('refused DEPLOYS_PER_HOUR',3);
INSERT INTO "sums" VALUES('sites',1);
INSERT INTO "sums" VALUES('users',2);
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
INSERT INTO "suspensions" VALUES('app','bcdfghjkmnpq','Phishing.',9);
CREATE TABLE untold_suspensions (
    account TEXT    PRIMARY KEY,
    version INTEGER NOT NULL,
    try_at  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO "untold_suspensions" VALUES('bcdfghjkmnpq',9,0);
CREATE TABLE users (
    id         INTEGER PRIMARY KEY,               -- GitHub's id of the account, which outlives renames
    login      TEXT    NOT NULL,
    name       TEXT,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL                   -- the last login
) STRICT;
INSERT INTO "users" VALUES(1,'alice','Alice',1,2);
INSERT INTO "users" VALUES(2,'bob',NULL,1,1);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE UNIQUE INDEX live_app_of_source ON apps (user_id, repository COLLATE NOCASE, commit_hash, directory)
    WHERE deleted_at IS NULL;
CREATE INDEX apps_of_user ON apps (user_id, created_at);
CREATE UNIQUE INDEX app_of_run ON apps (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX unfinished_apps ON apps (asked_at)
    WHERE run_ended = 0 OR (deleted_at IS NOT NULL AND removed_at IS NULL);
CREATE INDEX failed_apps ON apps (changed_at) WHERE status = 'failed';
CREATE INDEX payments_of_app ON payments (app_id, created_at);
CREATE INDEX payments_of_user ON payments (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX payments_by_intent ON payments (payment_intent) WHERE payment_intent IS NOT NULL;
CREATE INDEX unfinished_payments ON payments (asked_at) WHERE status IN ('open', 'processing', 'paid');
CREATE INDEX adjustments_of_payment ON adjustments (payment_id);
CREATE INDEX unapplied_adjustments ON adjustments (created_at) WHERE applied_at IS NULL;
CREATE INDEX checks_by_period ON checks (period);
CREATE INDEX looks_by_time ON looks (began_at);
CREATE INDEX deploys_of_user ON deploys (user_id, began_at);
CREATE INDEX deploys_by_time ON deploys (began_at);
CREATE INDEX unended_apps_of_user ON apps (user_id) WHERE run_ended = 0;
CREATE INDEX unremoved_apps_of_user ON apps (user_id) WHERE removed_at IS NULL;
CREATE INDEX apps_by_age ON apps (created_at);
CREATE INDEX users_by_login ON users (login COLLATE NOCASE);
CREATE INDEX wanted_checks ON checks (wanted_at) WHERE wanted_at IS NOT NULL;
CREATE INDEX half_asked_payments ON payments (asked_version) WHERE known_version < asked_version;
CREATE INDEX payments_to_refund ON payments (created_at) WHERE refund_reason IS NOT NULL;
CREATE INDEX failed_payments ON payments (failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX reversals_of_payment ON reversals (payment_id);
CREATE INDEX due_reversals ON reversals (try_at) WHERE booked_version < version;
CREATE INDEX failed_reversals ON reversals (failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX expired_payments ON payments (created_at) WHERE status = 'expired';
CREATE INDEX sites_of_user ON sites (user_id, created_at);
CREATE INDEX untold_sites ON sites (try_at) WHERE told_at < changed_at;
CREATE INDEX followed_sites ON sites (looked_at) WHERE follows = 1 AND deleted_at IS NULL;
CREATE INDEX wanting_sites ON sites (wanted_try_at) WHERE wanted_at IS NOT NULL;
CREATE INDEX versions_of_app ON site_versions (app_id);
CREATE UNIQUE INDEX unended_version_of_site ON site_versions (site) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX withdrawals ON site_events (site, withdraws) WHERE withdraws IS NOT NULL;
CREATE INDEX switches ON site_events (site, serves_from, at) WHERE serves_from IS NOT NULL;
CREATE INDEX switches_to_app ON site_events (app_id) WHERE app_id IS NOT NULL;
CREATE INDEX payments_of_site ON payments (site, created_at) WHERE site IS NOT NULL;
CREATE INDEX payments_with_way_back ON payments (created_at) WHERE wanted IS NOT NULL;
CREATE INDEX suspensions_by_time ON suspensions (at);
CREATE INDEX untold_suspensions_by_turn ON untold_suspensions (try_at);
CREATE INDEX users_by_age ON users (created_at);
CREATE INDEX sites_by_age ON sites (created_at);
CREATE INDEX apps_of_repository ON apps (lower(repository));
CREATE INDEX apps_of_owner ON apps (lower(substr(repository, 1, instr(repository, '/') - 1)));
CREATE INDEX sites_of_repository ON sites (lower(repository));
CREATE INDEX sites_of_owner ON sites (lower(substr(repository, 1, instr(repository, '/') - 1)));
CREATE INDEX differing_checks ON checks (differs_since) WHERE differs_since IS NOT NULL;
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
CREATE INDEX notices_of_user ON notices (user_id, at);
CREATE INDEX notices_by_time ON notices (at);
CREATE UNIQUE INDEX feeds ON notice_settings (feed_hash) WHERE feed_hash IS NOT NULL;
CREATE INDEX due_hooks ON notice_settings (hook_try_at) WHERE hook_url IS NOT NULL AND hook_off_at IS NULL;
CREATE INDEX watching_users ON notice_settings (user_id) WHERE low_cents IS NOT NULL;
CREATE INDEX balances_by_look ON balances (looked_at);
CREATE INDEX accounts_by_turn ON accounts (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX missing_apps ON apps (missing_since) WHERE status = 'deployed' AND missing_since IS NOT NULL;
CREATE INDEX open_refunds ON payments (created_at)
    WHERE refund_reason IS NOT NULL AND taken < coalesce(amount_cents, paid_amount);
CREATE INDEX nothing_paid ON payments (created_at)
    WHERE refund_reason IS NOT NULL AND coalesce(amount_cents, paid_amount) = 0;
CREATE INDEX live_apps_of_user ON apps (user_id, created_at) WHERE deleted_at IS NULL;
CREATE INDEX versions_of_site ON site_versions (site, asked_at);
