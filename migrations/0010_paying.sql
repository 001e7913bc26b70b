-- What was to be paid, how the payer is shown, where they wanted to go; and what takes something back as a dispute.
ALTER TABLE payments ADD COLUMN asked_cents INTEGER;
ALTER TABLE payments ADD COLUMN is_anonymous INTEGER NOT NULL DEFAULT 0
    CHECK (is_anonymous IN (0, 1));
ALTER TABLE payments ADD COLUMN wanted TEXT;
ALTER TABLE reversals ADD COLUMN kind TEXT NOT NULL DEFAULT 'refund'
    CHECK (kind IN ('refund', 'dispute'));

UPDATE reversals SET kind = 'dispute' WHERE id GLOB 'dp_*' OR id GLOB 'du_*';

CREATE INDEX payments_with_way_back ON payments (created_at) WHERE wanted IS NOT NULL;
