-- name: open_push_orders
-- Makes orders known; a deadline that is told later replaces none by itself.
INSERT INTO push_orders (order_key, store_id, platform, queued_at, ship_by)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
ON CONFLICT (order_key) DO NOTHING;

-- name: lock_push_orders
-- Orders whose pushes nobody else changes until this transaction ends, locked in the order of their keys.
SELECT order_key FROM push_orders WHERE order_key = ANY($1::text[]) ORDER BY order_key FOR UPDATE;

-- name: hold_push_order
-- Locks an order for this transaction, if the lease is still the newest.
SELECT order_key FROM push_orders WHERE order_key = $1 AND lease_owner = $2 AND lease_number = $3 FOR UPDATE;

-- name: pushes_of_order
-- The pushes of an order.
SELECT held FROM pushes WHERE order_key = $1;

-- name: keep_pushes
-- Keeps pushes as they are now ($1 to $8), when their orders have something to do ($9 to $12), and what is told of it
-- ($13 to $15): one statement, for most changes are of one push.
WITH kept AS (
    INSERT INTO pushes (push_id, order_key, store_id, seller_id, state, code, created_at, held)
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::jsonb[]
    )
    ON CONFLICT (push_id) DO UPDATE SET state = excluded.state, code = excluded.code, held = excluded.held
), due AS (
    UPDATE push_orders AS held
    SET due_at = now.due_at, after_grant = now.after_grant, ship_by = COALESCE(now.ship_by, held.ship_by)
    FROM unnest($9::text[], $10::timestamptz[], $11::integer[], $12::timestamptz[])
        AS now (order_key, due_at, after_grant, ship_by)
    WHERE held.order_key = now.order_key
)
INSERT INTO outbox (topic, key, value)
SELECT topic, key, value
FROM unnest($13::text[], $14::text[], $15::bytea[]) WITH ORDINALITY AS told (topic, key, value, place)
ORDER BY place;

-- name: claim_push_orders
-- Leases orders with something to do to $1: of each store those with the nearest deadline first, no more than $6 at once
-- with those under way; stores with fewer under way go first, and rows that others are claiming are passed over.
UPDATE push_orders
SET lease_owner = $1, lease_number = push_orders.lease_number + 1, lease_expires_at = $5
FROM (
    SELECT order_key
    FROM push_orders AS free
    JOIN (
        SELECT due.order_key, due.ship_by, due.queued_at,
               COALESCE(busy.orders, 0) + row_number() OVER (
                   PARTITION BY due.store_id ORDER BY due.ship_by NULLS LAST, due.queued_at, due.order_key
               ) AS place
        FROM (
            SELECT order_key, store_id, ship_by, queued_at
            FROM push_orders
            WHERE platform = ANY($2::text[]) AND due_at <= $4 AND COALESCE(lease_expires_at, '-infinity') <= $4
            UNION
            SELECT waiting.order_key, waiting.store_id, waiting.ship_by, waiting.queued_at
            FROM push_orders AS waiting
            JOIN stores USING (store_id)
            WHERE waiting.platform = ANY($2::text[]) AND waiting.after_grant < stores.grants
              AND COALESCE(waiting.lease_expires_at, '-infinity') <= $4
        ) AS due
        LEFT JOIN (
            SELECT store_id, count(*) AS orders
            FROM push_orders
            WHERE lease_owner IS NOT NULL AND lease_expires_at > $4
            GROUP BY store_id
        ) AS busy USING (store_id)
    ) AS ranked USING (order_key)
    WHERE ranked.place <= $6 AND COALESCE(free.lease_expires_at, '-infinity') <= $4
    ORDER BY ranked.place, ranked.ship_by NULLS LAST, ranked.queued_at
    LIMIT $3
    FOR UPDATE OF free SKIP LOCKED
) AS chosen
WHERE push_orders.order_key = chosen.order_key
RETURNING push_orders.order_key, push_orders.store_id, push_orders.lease_number, push_orders.ship_by,
          push_orders.queued_at;

-- name: stores_of_push_orders
-- The stores of orders that were leased.
SELECT * FROM stores WHERE store_id = ANY($1::text[]);

-- name: renew_push_lease
-- Keeps a lease for longer, if it is still the newest of its order.
UPDATE push_orders SET lease_expires_at = GREATEST(lease_expires_at, $4)
WHERE order_key = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING order_key;

-- name: give_back_push_order
-- Ends a lease without a result.
UPDATE push_orders SET lease_owner = NULL, lease_expires_at = NULL, due_at = GREATEST(due_at, $4)
WHERE order_key = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING order_key;

-- name: leave_push_order
-- Ends a lease; the order is due again when the first of its pushes is.
UPDATE push_orders
SET lease_owner = NULL, lease_expires_at = NULL,
    due_at = (SELECT min((held ->> 'due_at')::timestamptz) FROM pushes WHERE pushes.order_key = push_orders.order_key)
WHERE order_key = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING order_key;

-- name: get_push
-- One push.
SELECT held FROM pushes WHERE push_id = $1;

-- name: page_of_pushes
-- A seller's pushes of a state ($2), code ($3) and store ($4; null: any), the newest first, those before ($5, $6).
SELECT held FROM pushes
WHERE seller_id = $1
  AND ($2::text IS NULL OR state = $2)
  AND ($3::text IS NULL OR code = $3)
  AND ($4::text IS NULL OR store_id = $4)
  AND ($5::timestamptz IS NULL OR (created_at, push_id) < ($5, $6))
ORDER BY created_at DESC, push_id DESC
LIMIT $7;

-- name: orders_of_code
-- The orders with pushes of a state ($2) and code ($3; null: any), locked in the order of their keys.
SELECT order_key FROM push_orders
WHERE order_key IN (
    SELECT order_key FROM pushes
    WHERE seller_id = $1
      AND ($2::text IS NULL OR state = $2)
      AND ($3::text IS NULL OR code = $3)
      AND ($4::text IS NULL OR store_id = $4)
)
ORDER BY order_key
FOR UPDATE;

-- name: pushes_of_orders
-- The pushes of some orders.
SELECT held FROM pushes WHERE order_key = ANY($1::text[]);

-- name: has_push_block
-- Whether a store's platform said that it takes none.
SELECT EXISTS (SELECT FROM push_blocks WHERE store_id = $1);

-- name: lock_push_block
-- What a store's platform said, which nobody else changes until this transaction ends.
SELECT * FROM push_blocks WHERE store_id = $1 FOR UPDATE;

-- name: keep_push_block
-- Keeps what a store's platform said.
INSERT INTO push_blocks (store_id, code, problem, grants, probe_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (store_id) DO UPDATE
SET code = excluded.code, problem = excluded.problem, grants = excluded.grants, probe_at = excluded.probe_at;

-- name: drop_push_block
-- Forgets what a store's platform said.
DELETE FROM push_blocks WHERE store_id = $1 RETURNING store_id;

-- name: drop_push_blocks_of_code
-- Forgets what platforms said of a seller's stores ($3; null: all) with a code.
DELETE FROM push_blocks USING stores
WHERE push_blocks.store_id = stores.store_id AND stores.seller_id = $1 AND push_blocks.code = $2
  AND ($3::text IS NULL OR stores.store_id = $3);

-- name: orders_waiting_for_grant
-- The orders that wait for a store's platform, locked in the order of their keys.
SELECT order_key FROM push_orders WHERE store_id = $1 AND after_grant IS NOT NULL ORDER BY order_key FOR UPDATE;

-- name: forget_push_orders
-- Forgets orders that came long ago and have nothing to do.
DELETE FROM push_orders WHERE queued_at < $1 AND due_at IS NULL AND after_grant IS NULL AND lease_owner IS NULL;
