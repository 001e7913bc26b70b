-- The entry of an app's signature in Sigstore's log.
ALTER TABLE attestations ADD COLUMN log_index INTEGER;
