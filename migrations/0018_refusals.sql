-- What limits have refused lately, by days (UTC; days since 1970); for the operator.
CREATE TABLE refusals (
    day     INTEGER NOT NULL,
    limited TEXT    NOT NULL,                     -- the name of the setting
    asker   TEXT    NOT NULL,                     -- a user's id, or of what kind an address was
    times   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (day, limited, asker)
) STRICT, WITHOUT ROWID;
