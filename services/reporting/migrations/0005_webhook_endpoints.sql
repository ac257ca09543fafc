-- Sellers' own addresses that are not called any more, or again.

CREATE TABLE webhook_endpoints (
    endpoint_id text PRIMARY KEY,
    seller_id   text NOT NULL,
    changed_at  timestamptz NOT NULL,
    record      jsonb NOT NULL
);
CREATE INDEX webhook_endpoints_disabled ON webhook_endpoints (seller_id, endpoint_id)
WHERE record ->> 'state' = 'disabled';
