-- Limits are decided in the statements that begin something: what they count, and an index for each query.
ALTER TABLE apps ADD COLUMN run_began_at INTEGER NOT NULL DEFAULT 0;

CREATE TABLE deploys (
    app_id   TEXT    NOT NULL REFERENCES apps (id),
    user_id  INTEGER NOT NULL REFERENCES users (id),
    began_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, began_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX deploys_of_user ON deploys (user_id, began_at);
CREATE INDEX deploys_by_time ON deploys (began_at);

CREATE TABLE lookups (
    user_id INTEGER PRIMARY KEY REFERENCES users (id),
    hour    INTEGER NOT NULL,
    made    INTEGER NOT NULL
) STRICT;

CREATE INDEX unended_apps_of_user ON apps (user_id) WHERE run_ended = 0;
CREATE INDEX unremoved_apps_of_user ON apps (user_id) WHERE removed_at IS NULL;
CREATE INDEX apps_by_age ON apps (created_at);
CREATE INDEX users_by_login ON users (login COLLATE NOCASE);

-- Apps whose check somebody asked for, by how long they have waited.
ALTER TABLE checks ADD COLUMN wanted_at INTEGER;
CREATE INDEX wanted_checks ON checks (wanted_at) WHERE wanted_at IS NOT NULL;
