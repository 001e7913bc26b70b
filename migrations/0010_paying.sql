-- How a payer is shown, where they wanted to go, and which of what takes something back are disputes.
ALTER TABLE payments ADD COLUMN is_anonymous INTEGER NOT NULL DEFAULT 0
    CHECK (is_anonymous IN (0, 1));
ALTER TABLE payments ADD COLUMN wanted TEXT;
ALTER TABLE reversals ADD COLUMN kind TEXT NOT NULL DEFAULT 'refund'
    CHECK (kind IN ('refund', 'dispute'));

UPDATE reversals SET kind = 'dispute' WHERE id GLOB 'dp_*' OR id GLOB 'du_*';

CREATE INDEX payments_with_way_back ON payments (created_at) WHERE wanted IS NOT NULL;
