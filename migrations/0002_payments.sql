-- Payments, and what takes them back.

CREATE TABLE payments (
    id             TEXT    PRIMARY KEY,           -- of the Checkout Session; the object credits it under this id
    app_id         TEXT    NOT NULL REFERENCES apps (id),
    user_id        INTEGER REFERENCES users (id), -- who paid, if they were logged in
    status         TEXT    NOT NULL,
    amount_cents   INTEGER,                       -- US cents, once it is paid
    payment_intent TEXT,
    created_at     INTEGER NOT NULL,
    paid_at        INTEGER,
    asked_at       INTEGER NOT NULL DEFAULT 0,    -- when Stripe was last asked about it
    CHECK (status IN ('open', 'processing', 'paid', 'credited', 'expired', 'failed')),
    CHECK ((status IN ('paid', 'credited')) = (amount_cents IS NOT NULL)),
    CHECK ((status IN ('paid', 'credited')) = (paid_at IS NOT NULL)),
    CHECK (amount_cents > 0)
) STRICT;

CREATE INDEX payments_of_app ON payments (app_id, created_at);
CREATE INDEX payments_of_user ON payments (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX payments_by_intent ON payments (payment_intent) WHERE payment_intent IS NOT NULL;
CREATE INDEX unfinished_payments ON payments (asked_at) WHERE status IN ('open', 'processing', 'paid');

-- Refunds and disputes, and what came back of them.
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

CREATE INDEX adjustments_of_payment ON adjustments (payment_id);
CREATE INDEX unapplied_adjustments ON adjustments (created_at) WHERE applied_at IS NULL;
