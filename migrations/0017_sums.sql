-- Sums over tables that grow, so that nobody has to read all of one.
CREATE TABLE sums (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What there was on each day (UTC; days since 1970).
CREATE TABLE days (
    day      INTEGER PRIMARY KEY,
    apps     INTEGER NOT NULL DEFAULT 0,          -- made on it
    requests INTEGER NOT NULL DEFAULT 0           -- seen on it in the accounts
) STRICT;

-- What the object of each account that was opened said last.
CREATE TABLE accounts (
    account       TEXT    PRIMARY KEY,
    requests      INTEGER NOT NULL DEFAULT 0,     -- that were used
    cost_nano_usd INTEGER NOT NULL DEFAULT 0,
    changed_at    INTEGER NOT NULL,               -- when it was last seen that they had changed
    look_at       INTEGER                         -- when it is to be asked next; NULL where it is closed
) STRICT, WITHOUT ROWID;

CREATE INDEX accounts_by_turn ON accounts (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX missing_apps ON apps (missing_since) WHERE status = 'deployed' AND missing_since IS NOT NULL;

INSERT INTO sums (name, value) SELECT 'apps ' || status, count(*) FROM apps GROUP BY status;
INSERT INTO sums (name, value) SELECT 'payments ' || status, count(*) FROM payments GROUP BY status;
INSERT INTO sums (name, value) SELECT 'users', count(*) FROM users GROUP BY 1;
INSERT INTO sums (name, value) SELECT 'sites', count(*) FROM sites GROUP BY 1;
INSERT INTO sums (name, value) SELECT 'paid_cents', coalesce(sum(amount_cents - (
    SELECT coalesce(sum(reversals.amount_cents), 0) FROM reversals WHERE payment_id = payments.id)), 0)
FROM payments GROUP BY 1;
INSERT INTO days (day, apps) SELECT created_at / 86400000, count(*) FROM apps GROUP BY created_at / 86400000;
INSERT INTO accounts (account, changed_at, look_at) SELECT id, 0, unixepoch() * 1000
FROM apps WHERE deployed_at IS NOT NULL;
INSERT INTO accounts (account, changed_at, look_at) SELECT name, 0, unixepoch() * 1000 FROM sites;
