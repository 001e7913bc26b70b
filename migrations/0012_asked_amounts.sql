-- What was to be paid, known before it is.
ALTER TABLE payments ADD COLUMN asked_cents INTEGER;
