-- name: add_endpoint
-- Keeps a new address.
INSERT INTO outgoing_endpoints (
    endpoint_id, seller_id, url, types, created_at, secret, state, problem, failing_since
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: endpoint
-- One address.
SELECT * FROM outgoing_endpoints WHERE endpoint_id = $1;

-- name: endpoints_of_sellers
-- All addresses of some sellers, the oldest first.
SELECT * FROM outgoing_endpoints WHERE seller_id = ANY($1::text[]) ORDER BY created_at, endpoint_id;

-- name: is_any_endpoint_enabled
-- Whether facts need to be looked at.
SELECT EXISTS (SELECT FROM outgoing_endpoints WHERE state = 'enabled');

-- name: hold_endpoint
-- One address, alone until the transaction ends.
SELECT * FROM outgoing_endpoints WHERE endpoint_id = $1 FOR UPDATE;

-- name: change_endpoint
-- Keeps an address as it is now.
UPDATE outgoing_endpoints
SET url = $2, types = $3, secret = $4, state = $5, problem = $6, failing_since = $7
WHERE endpoint_id = $1;

-- name: remove_endpoint
-- Forgets an address with its deliveries.
DELETE FROM outgoing_endpoints WHERE endpoint_id = $1;

-- name: put_deliveries
-- Keeps new deliveries to addresses that are still there; those that are kept already stay as they are.
INSERT INTO outgoing_deliveries (delivery_id, endpoint_id, type, body, created_at, due_at, state, attempts)
SELECT new.delivery_id, new.endpoint_id, new.type, new.body, new.created_at, new.created_at, 'waiting', 0
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    AS new (delivery_id, endpoint_id, type, body, created_at)
JOIN outgoing_endpoints USING (endpoint_id)
ORDER BY new.delivery_id
ON CONFLICT (delivery_id) DO NOTHING;

-- name: take_due_deliveries
-- Takes what is due at $1 of enabled addresses, $3 of each and $4 in all; nobody else gets it before $2.
UPDATE outgoing_deliveries AS taken SET due_at = $2
FROM (
    SELECT waiting.delivery_id
    FROM outgoing_endpoints AS endpoint
    CROSS JOIN LATERAL (
        SELECT delivery_id FROM outgoing_deliveries
        WHERE endpoint_id = endpoint.endpoint_id AND state = 'waiting' AND due_at <= $1
        ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ) AS waiting
    WHERE endpoint.state = 'enabled'
    LIMIT $4
) AS chosen
WHERE taken.delivery_id = chosen.delivery_id
RETURNING taken.*;

-- name: keep_delivery
-- Keeps what became of a delivery.
UPDATE outgoing_deliveries
SET due_at = $2, state = $3, attempts = $4, status = $5, problem = $6, ended_at = $7
WHERE delivery_id = $1;

-- name: delivery
-- One delivery.
SELECT * FROM outgoing_deliveries WHERE delivery_id = $1;

-- name: log_of_endpoint
-- An address's deliveries, the newest first.
SELECT * FROM outgoing_deliveries
WHERE endpoint_id = $1 AND ($2::timestamptz IS NULL OR (created_at, delivery_id) < ($2, $3::text))
ORDER BY created_at DESC, delivery_id DESC LIMIT $4;

-- name: forget_deliveries
-- Forgets what ended long ago.
DELETE FROM outgoing_deliveries WHERE created_at < $1 AND state <> 'waiting';
