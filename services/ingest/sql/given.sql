-- name: claim_references
-- Keeps orders whose references are free; tells which were.
INSERT INTO given_orders (
    order_key, store_id, reference, content, revision, state, test, given_at, revised_at, kept
)
SELECT asked.*
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::boolean[], $8::timestamptz[],
    $9::timestamptz[], $10::text[]
) AS asked
ON CONFLICT (order_key) DO NOTHING
RETURNING order_key;

-- name: given_orders
-- What is kept of these orders.
SELECT * FROM given_orders WHERE order_key = ANY($1::text[]);

-- name: hold_given_order
-- One order, alone until the transaction ends.
SELECT * FROM given_orders WHERE order_key = $1 FOR UPDATE;

-- name: change_given_order
-- Keeps the newer form of an order.
UPDATE given_orders
SET content = $2, revision = $3, state = $4, test = $5, revised_at = $6, kept = $7
WHERE order_key = $1;
