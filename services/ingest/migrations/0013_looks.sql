-- Last looks: orders that eligibility wants read once more before they are made.

CREATE TABLE look_stores (
    store_id         text PRIMARY KEY REFERENCES stores ON DELETE CASCADE,
    platform         text NOT NULL,
    due_at           timestamptz,
    failures         integer NOT NULL DEFAULT 0,
    lease_owner      text,
    lease_number     bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX look_stores_due ON look_stores (platform, due_at) WHERE due_at IS NOT NULL;
COMMENT ON TABLE look_stores IS 'stores that were asked about: only one process looks at a store''s orders at a time';
COMMENT ON COLUMN look_stores.due_at IS 'when there is something to read; null: nothing is asked';
COMMENT ON COLUMN look_stores.failures IS 'how often in a row the platform did not answer';

CREATE TABLE looks (
    order_key text PRIMARY KEY,
    store_id  text NOT NULL REFERENCES look_stores ON DELETE CASCADE,
    look_id   text NOT NULL,
    asked_at  timestamptz NOT NULL,
    held      jsonb NOT NULL
);
CREATE INDEX looks_by_store ON looks (store_id, asked_at, order_key);
COMMENT ON COLUMN looks.held IS 'all of it, the columns above included, as schemas.looks.LookWanted; no personal data';
