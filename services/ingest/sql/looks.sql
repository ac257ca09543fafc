-- name: ask_look_stores
-- Makes stores due that are asked about; one whose platform did not answer rests as long as it was to.
INSERT INTO look_stores AS held (store_id, platform, due_at)
SELECT store_id, platform, $2 FROM stores WHERE store_id = ANY($1::text[]) ORDER BY store_id
ON CONFLICT (store_id) DO UPDATE SET due_at = COALESCE(held.due_at, excluded.due_at);

-- name: keep_looks
-- Keeps questions of stores that there are; a later one about an order stands for those before it.
INSERT INTO looks AS held (order_key, store_id, look_id, asked_at, held)
SELECT n.order_key, n.store_id, n.look_id, n.asked_at, n.held
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[])
    AS n (order_key, store_id, look_id, asked_at, held)
JOIN look_stores USING (store_id)
ORDER BY n.order_key
ON CONFLICT (order_key) DO UPDATE
SET look_id = excluded.look_id, asked_at = excluded.asked_at, held = excluded.held
WHERE held.asked_at < excluded.asked_at;

-- name: claim_look_stores
-- Leases stores with questions to $1, those first that wait longest; rows that others are claiming are passed over.
UPDATE look_stores
SET lease_owner = $1, lease_number = look_stores.lease_number + 1, lease_expires_at = $5
FROM (
    SELECT store_id FROM look_stores
    WHERE platform = ANY($2::text[]) AND due_at <= $4 AND COALESCE(lease_expires_at, '-infinity') <= $4
    ORDER BY due_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
) AS chosen
JOIN stores USING (store_id)
WHERE look_stores.store_id = chosen.store_id
RETURNING stores.*, look_stores.lease_number AS look_lease_number, look_stores.failures AS look_failures,
          look_stores.due_at AS look_due_at;

-- name: renew_look_lease
-- Keeps a lease for longer, if it is still the newest of its store.
UPDATE look_stores SET lease_expires_at = GREATEST(lease_expires_at, $4)
WHERE store_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING store_id;

-- name: give_back_look_store
-- Ends a lease without a result.
UPDATE look_stores SET lease_owner = NULL, lease_expires_at = NULL, due_at = GREATEST(due_at, $4)
WHERE store_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING store_id;

-- name: leave_look_store
-- Ends a lease; the store is due again if it has questions. For a transaction that locked the row before: a question that
-- comes meanwhile is seen here, or makes the store due afterwards.
UPDATE look_stores
SET lease_owner = NULL, lease_expires_at = NULL, failures = $3,
    due_at = CASE WHEN EXISTS (SELECT FROM looks WHERE looks.store_id = $1) THEN $2::timestamptz END
WHERE store_id = $1;

-- name: hold_look_store
-- Locks a store for this transaction, if the lease is still the newest.
SELECT store_id FROM look_stores WHERE store_id = $1 AND lease_owner = $2 AND lease_number = $3 FOR UPDATE;

-- name: next_looks
-- A store's questions that were asked first.
SELECT held FROM looks WHERE store_id = $1 ORDER BY asked_at, order_key LIMIT $2;

-- name: forget_looks
-- Forgets questions that were answered; not those that were put anew meanwhile.
DELETE FROM looks USING unnest($1::text[], $2::text[]) AS n (order_key, look_id)
WHERE looks.order_key = n.order_key AND looks.look_id = n.look_id;
