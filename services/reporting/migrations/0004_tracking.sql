-- How each parcel's tracking number gets to its platform, until when orders must ship, and which parcels arrived.
-- What orders gain here is empty in rows of before, until something is told of them again or the report is rebuilt.

CREATE TABLE parcels (
    push_id         text PRIMARY KEY,
    seller_id       text NOT NULL,
    store_id        text NOT NULL,
    platform        text NOT NULL,
    order_key       text NOT NULL,
    shipment_id     text NOT NULL,
    step            integer NOT NULL,
    event_id        text NOT NULL COLLATE "C",
    state           text NOT NULL,
    carrier         text NOT NULL,
    tracking_number text NOT NULL,
    tracking_url    text,
    shipped_at      timestamptz NOT NULL,
    attempts        integer NOT NULL,
    code            text,
    problem         text,
    due_at          timestamptz,
    ship_by         timestamptz,
    verified_at     timestamptz,
    changed_at      timestamptz NOT NULL
);
COMMENT ON COLUMN parcels.step IS 'of all that was told of the parcel, the highest step stands';
CREATE INDEX parcels_by_order ON parcels (order_key);
CREATE INDEX parcels_by_time ON parcels (seller_id, shipped_at DESC, push_id DESC);
CREATE INDEX parcels_open ON parcels (seller_id, store_id)
WHERE state IN ('queued', 'sent', 'refused', 'needs_attention');

ALTER TABLE orders ADD COLUMN ship_by timestamptz;
ALTER TABLE orders ADD COLUMN at_risk_from timestamptz;
ALTER TABLE orders ADD COLUMN parcels_left text[] NOT NULL DEFAULT '{}';
ALTER TABLE orders ADD COLUMN parcels_arrived text[] NOT NULL DEFAULT '{}';
ALTER TABLE orders ADD COLUMN parcels_void text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN orders.at_risk_from IS 'when little of the time until ship_by is left';
COMMENT ON COLUMN orders.parcels_left IS 'shipments that left production; a label that stands in the place of another counts, too';
COMMENT ON COLUMN orders.parcels_void IS 'shipments whose label was given back or replaced';

CREATE INDEX orders_unshipped_due ON orders (seller_id, at_risk_from)
WHERE shipped_at IS NULL AND at_risk_from IS NOT NULL;
