-- Tracking: what each parcel's platform is to be told, how far that is, and who goes on with it.

ALTER TABLE stores ADD COLUMN tracking jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN stores.tracking IS 'the settings about tracking, those of schemas.stores.StoreSettings beside the columns';

ALTER TABLE seen_orders ADD COLUMN ship_by timestamptz;
COMMENT ON COLUMN seen_orders.ship_by IS 'until when the platform wants the order shipped; a form that does not tell it keeps it';

CREATE TABLE push_orders (
    order_key        text PRIMARY KEY,
    store_id         text NOT NULL REFERENCES stores ON DELETE CASCADE,
    platform         text NOT NULL,
    queued_at        timestamptz NOT NULL,
    ship_by          timestamptz,
    due_at           timestamptz,
    after_grant      integer,
    lease_owner      text,
    lease_number     bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX push_orders_due ON push_orders (platform, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX push_orders_by_store ON push_orders (store_id) WHERE lease_owner IS NOT NULL OR after_grant IS NOT NULL;
COMMENT ON TABLE push_orders IS 'orders with parcels: only one process tells a platform of an order''s parcels at a time';
COMMENT ON COLUMN push_orders.due_at IS 'when the first of its pushes has something to do; null: none has';
COMMENT ON COLUMN push_orders.after_grant IS 'due once the store was granted access more often than this';

CREATE TABLE pushes (
    push_id    text PRIMARY KEY,
    order_key  text NOT NULL REFERENCES push_orders ON DELETE CASCADE,
    store_id   text NOT NULL,
    seller_id  text NOT NULL,
    state      text NOT NULL
        CHECK (state IN ('queued', 'sent', 'accepted', 'verified', 'refused', 'needs_attention', 'off')),
    code       text,
    created_at timestamptz NOT NULL,
    held       jsonb NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX pushes_by_order ON pushes (order_key);
CREATE INDEX pushes_by_seller ON pushes (seller_id, created_at, push_id);
CREATE INDEX pushes_by_code ON pushes (seller_id, code, store_id) WHERE code IS NOT NULL;
COMMENT ON TABLE pushes IS 'one row a parcel; tracking numbers, no personal data';
COMMENT ON COLUMN pushes.held IS 'all of it, the columns above included, as services.ingest.pushes.Push';

CREATE TABLE push_blocks (
    store_id text PRIMARY KEY REFERENCES stores ON DELETE CASCADE,
    code     text NOT NULL,
    problem  text NOT NULL,
    grants   integer NOT NULL,
    probe_at timestamptz NOT NULL
);
COMMENT ON TABLE push_blocks IS 'stores whose platform takes no parcel at all until the seller did something';
COMMENT ON COLUMN push_blocks.probe_at IS 'when one parcel tries again whether it does';
