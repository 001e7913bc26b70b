-- Payments that nobody made, which are forgotten after a while.
CREATE INDEX expired_payments ON payments (created_at) WHERE status = 'expired';
