-- What is read to show some rows no longer grows with all that ever were.
ALTER TABLE payments ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;
UPDATE payments SET taken = (SELECT sum(amount_cents) FROM reversals WHERE payment_id = payments.id)
WHERE id IN (SELECT payment_id FROM reversals);
CREATE INDEX open_refunds ON payments (created_at)
    WHERE refund_reason IS NOT NULL AND taken < coalesce(amount_cents, paid_amount);
CREATE INDEX nothing_paid ON payments (created_at)
    WHERE refund_reason IS NOT NULL AND coalesce(amount_cents, paid_amount) = 0;

CREATE INDEX live_apps_of_user ON apps (user_id, created_at) WHERE deleted_at IS NULL;
CREATE INDEX versions_of_site ON site_versions (site, asked_at);

-- What was paid into an account, less what was taken back of it, as its object said last; NULL until it is asked.
ALTER TABLE accounts ADD COLUMN funding_cents INTEGER;
UPDATE accounts SET look_at = unixepoch() * 1000 WHERE look_at IS NULL;
