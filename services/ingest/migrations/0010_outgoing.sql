-- Sellers' own addresses that are told what becomes of orders, and each delivery to them.

CREATE TABLE outgoing_endpoints (
    endpoint_id   text PRIMARY KEY,
    seller_id     text NOT NULL,
    url           text NOT NULL,
    types         text[] NOT NULL,
    created_at    timestamptz NOT NULL,
    secret        bytea NOT NULL,
    state         text NOT NULL CHECK (state IN ('enabled', 'disabled')),
    problem       text,
    failing_since timestamptz
);
CREATE INDEX outgoing_endpoints_by_seller ON outgoing_endpoints (seller_id, created_at);
COMMENT ON COLUMN outgoing_endpoints.secret IS 'sealed';

CREATE TABLE outgoing_deliveries (
    delivery_id text PRIMARY KEY,
    endpoint_id text NOT NULL REFERENCES outgoing_endpoints ON DELETE CASCADE,
    type        text NOT NULL,
    body        text NOT NULL,
    created_at  timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    state       text NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts    integer NOT NULL,
    status      integer,
    problem     text,
    ended_at    timestamptz
) WITH (fillfactor = 80);
CREATE INDEX outgoing_deliveries_due ON outgoing_deliveries (endpoint_id, due_at) WHERE state = 'waiting';
CREATE INDEX outgoing_deliveries_by_endpoint ON outgoing_deliveries (endpoint_id, created_at, delivery_id);
CREATE INDEX outgoing_deliveries_ended ON outgoing_deliveries (created_at) WHERE state <> 'waiting';
COMMENT ON TABLE outgoing_deliveries IS 'without personal data';
