-- Orders that sellers have begun to give by hand.

CREATE TABLE drafts (
    seller_id  text NOT NULL,
    draft_id   text NOT NULL,
    store_id   text,
    order_keys text[] NOT NULL,
    changed_at timestamptz NOT NULL,
    sealed     bytea NOT NULL,
    PRIMARY KEY (seller_id, draft_id)
);
ALTER TABLE drafts ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX drafts_by_age ON drafts (changed_at);
COMMENT ON TABLE drafts IS 'few: at most a hundred a seller, for at most 90 days';
COMMENT ON COLUMN drafts.order_keys IS 'of the order that it would become, and of the one it was copied from';
COMMENT ON COLUMN drafts.sealed IS 'what was typed';

COMMENT ON COLUMN imports.held IS 'all of it, the columns above included, as ingest''s Import';
COMMENT ON COLUMN pushes.held IS 'all of it, the columns above included, as ingest''s Push';
COMMENT ON COLUMN webhook_health.healing IS 'what was mended last, as ingest''s Healing';
