-- name: get_webhook_health
-- What is known of a store's webhooks.
SELECT * FROM webhook_health WHERE store_id = $1;

-- name: hear_webhooks
-- Keeps when stores' webhooks came last; stores that are gone meanwhile are passed over.
INSERT INTO webhook_health AS held (store_id, heard_at)
SELECT heard.store_id, heard.heard_at
FROM unnest($1::text[], $2::timestamptz[]) AS heard (store_id, heard_at) JOIN stores USING (store_id)
ON CONFLICT (store_id) DO UPDATE SET heard_at = GREATEST(held.heard_at, excluded.heard_at);

-- name: refuse_webhook
-- Keeps that what came for a store did not verify, unless that is known since $3; tells whether it was kept.
INSERT INTO webhook_health AS held (store_id, refused_at)
SELECT store_id, $2::timestamptz FROM stores WHERE store_id = $1
ON CONFLICT (store_id) DO UPDATE SET refused_at = excluded.refused_at
WHERE held.refused_at IS NULL OR held.refused_at <= $3
RETURNING store_id;

-- name: keep_webhook_health
-- Keeps what a look at a store's subscriptions found.
INSERT INTO webhook_health AS held (store_id, checked_at, doubted_at, fruitless, awaited_at, healing)
SELECT store_id, $2::timestamptz, $3::timestamptz, $4::integer, $5::timestamptz, $6::jsonb
FROM stores WHERE store_id = $1
ON CONFLICT (store_id) DO UPDATE
SET checked_at = excluded.checked_at, doubted_at = excluded.doubted_at, fruitless = excluded.fruitless,
    awaited_at = excluded.awaited_at, healing = excluded.healing;
