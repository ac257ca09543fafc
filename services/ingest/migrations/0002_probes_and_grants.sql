-- What a store may do, how long its access lasts, how often it was granted, and who asked for a poll.

ALTER TABLE stores
    ADD COLUMN access_ends_at timestamptz,
    ADD COLUMN capabilities   jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN probed_at      timestamptz,
    ADD COLUMN grants         integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN stores.capabilities IS 'what the last probe found, as schemas.stores.Capability';
CREATE INDEX stores_by_platform ON stores (platform, external_id);

ALTER TABLE polls ADD COLUMN asked_by text;
COMMENT ON COLUMN polls.asked_by IS 'the API key that asked for a poll';
