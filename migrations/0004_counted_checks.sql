-- How many checks of an app began in which period: all of them together are limited.
ALTER TABLE checks ADD COLUMN period INTEGER NOT NULL DEFAULT 0;
ALTER TABLE checks ADD COLUMN made INTEGER NOT NULL DEFAULT 0;

DROP INDEX checks_by_time;
CREATE INDEX checks_by_period ON checks (period);
