CREATE TABLE account (
            id             INTEGER PRIMARY KEY CHECK (id = 1),
            opened_at      INTEGER NOT NULL,            -- milliseconds since 1970, as all times
            closed_at      INTEGER,
            funding_cents  INTEGER NOT NULL DEFAULT 0,  -- payments less what was taken back
            requests       INTEGER NOT NULL DEFAULT 0 CHECK (requests >= 0),  -- charged for good
            leased         INTEGER NOT NULL DEFAULT 0 CHECK (leased >= 0),    -- in leases that run
            lost           INTEGER NOT NULL DEFAULT 0 CHECK (lost >= 0),      -- in leases that expired
            next_lease     INTEGER NOT NULL DEFAULT 1,
            hour           INTEGER NOT NULL,            -- hours since 1970
            hour_requests  INTEGER NOT NULL DEFAULT 0   -- charged in this hour, not in usage_hour yet
        , leases TEXT NOT NULL DEFAULT '{}', day_hours TEXT NOT NULL DEFAULT '{}', schedule TEXT NOT NULL DEFAULT '[]', schedule_version INTEGER NOT NULL DEFAULT 0) STRICT
        ;
INSERT INTO "account" VALUES(1,1790000000000,NULL,500,42,0,0,3,497222,42,'{}','{}','[[1790000000000,"bcdfghjkmnpq"]]',1790000000000);
CREATE TABLE lease (
            id         INTEGER PRIMARY KEY,
            requests   INTEGER NOT NULL CHECK (requests > 0),
            expires_at INTEGER NOT NULL,
            expired    INTEGER NOT NULL DEFAULT 0 CHECK (expired IN (0, 1))
        ) STRICT
        ;
CREATE TABLE payment (
            id           TEXT PRIMARY KEY,
            amount_cents INTEGER NOT NULL CHECK (amount_cents != 0),  -- negative: taken back
            created_at   INTEGER NOT NULL
        ) STRICT
        ;
INSERT INTO "payment" VALUES('cs_old',500,1790000000000);
INSERT INTO "payment" VALUES('cs_more',200,1790000000000);
INSERT INTO "payment" VALUES('re_1',-300,1790000000000);
INSERT INTO "payment" VALUES('re_1-7',100,1790000000000);
CREATE TABLE reversal (id TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;
INSERT INTO "reversal" VALUES('re_1',7);
CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;
INSERT INTO "schema_version" VALUES(5);
CREATE TABLE suspension (
            id      INTEGER PRIMARY KEY CHECK (id = 1),
            version INTEGER NOT NULL,
            reasons TEXT NOT NULL                       -- Worker: reason
        ) STRICT
        ;
INSERT INTO "suspension" VALUES(1,1790000000000,'{}');
CREATE TABLE usage_day (day INTEGER PRIMARY KEY, requests INTEGER NOT NULL, hours TEXT NOT NULL DEFAULT '{}') STRICT;
INSERT INTO "usage_day" VALUES(1,1,'{}');
CREATE TABLE usage_hour (hour INTEGER PRIMARY KEY, requests INTEGER NOT NULL) STRICT;
