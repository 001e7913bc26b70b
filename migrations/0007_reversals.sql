-- What each refund and dispute takes back now, and payments that have to be refunded.

-- Refunds and disputes are asked for together, by versions: a later one is the newer knowledge.
ALTER TABLE payments ADD COLUMN asked_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN known_version INTEGER NOT NULL DEFAULT 0;
-- Why it has to be refunded: what it was paid for can't be served, or it could not be credited.
ALTER TABLE payments ADD COLUMN refund_reason TEXT
    CHECK (refund_reason IN ('deleted', 'missing', 'currency', 'nothing'));
-- Of a payment that could not be credited: what was paid, in the smallest unit of its currency.
ALTER TABLE payments ADD COLUMN currency TEXT;
ALTER TABLE payments ADD COLUMN paid_amount INTEGER;
-- When and why the object last failed to book it.
ALTER TABLE payments ADD COLUMN failed_at INTEGER;
ALTER TABLE payments ADD COLUMN failure TEXT;

CREATE INDEX half_asked_payments ON payments (asked_version) WHERE known_version < asked_version;
CREATE INDEX payments_to_refund ON payments (created_at) WHERE refund_reason IS NOT NULL;
CREATE INDEX failed_payments ON payments (failed_at) WHERE failed_at IS NOT NULL;

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
    failure        TEXT,
    CHECK (amount_cents >= 0)
) STRICT;

CREATE INDEX reversals_of_payment ON reversals (payment_id);
CREATE INDEX due_reversals ON reversals (try_at) WHERE booked_version < version;
CREATE INDEX failed_reversals ON reversals (failed_at) WHERE failed_at IS NOT NULL;

-- Earlier code booked what came back under ids of its own.
INSERT INTO reversals (id, payment_id, amount_cents, version, booked_version, created_at)
SELECT
    CASE
        WHEN id LIKE '%-failed' THEN substr(id, 1, length(id) - length('-failed'))
        WHEN id LIKE '%-won' THEN substr(id, 1, length(id) - length('-won'))
        ELSE id
    END AS reversal,
    payment_id, max(0, -sum(amount_cents)), 1, count(applied_at) = count(*), min(created_at)
FROM adjustments
GROUP BY reversal;

-- And in the order in which it heard of it: Stripe is asked again.
UPDATE payments SET asked_version = 1
WHERE payment_intent IS NOT NULL AND id IN (SELECT payment_id FROM adjustments);

UPDATE payments SET refund_reason = 'deleted'
WHERE paid_at >= (SELECT deleted_at FROM apps WHERE apps.id = app_id);
