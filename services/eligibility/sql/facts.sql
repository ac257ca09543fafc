-- name: wake_waiting
-- Asks for every order that waits for one of these facts to be judged again, once each.
INSERT INTO reassessments (shard, order_key, cause)
SELECT DISTINCT shard, order_key, $3 FROM waits WHERE fact = $1 AND ref = ANY($2::text[])
RETURNING shard;

-- name: wake_seller
-- Asks for a seller's held orders to be judged again, all or those of one store.
INSERT INTO reassessments (shard, order_key, cause)
SELECT shard, order_key, $3 FROM orders
WHERE seller_id = $1 AND outcome = 'held' AND ($2::text IS NULL OR store_id = $2)
    AND ($4::text IS NULL OR reasons LIKE '%"code":"' || $4 || '"%')
RETURNING shard;

-- name: ask_looks_again
-- Asks for orders of some shards to be judged again whose last look has had no answer in time: judging asks once more. Those
-- of erased buyers wait for nothing.
INSERT INTO reassessments (shard, order_key, cause)
SELECT l.shard, l.order_key, 'look' FROM looks AS l JOIN personal_data USING (order_key)
WHERE l.shard = ANY($1::smallint[]) AND l.again_at <= $2
    AND NOT EXISTS (
        SELECT FROM reassessments AS r WHERE r.shard = l.shard AND r.order_key = l.order_key AND r.cause = 'look'
    )
RETURNING shard;

-- name: hurry_looks
-- Has the platform asked again at once about orders of stores that are linked again and could not be read before.
WITH hurried AS (
    UPDATE looks AS l SET again_at = l.asked_at FROM orders AS o
    WHERE o.order_key = l.order_key AND o.store_id = ANY($1::text[]) AND l.problem IN ('unlinked', 'reconnect')
        AND l.again_at > l.asked_at
    RETURNING l.shard, l.order_key
)
INSERT INTO reassessments (shard, order_key, cause) SELECT shard, order_key, 'look' FROM hurried ORDER BY order_key
RETURNING shard;

-- name: longest_look
-- Since when the order waits that waits longest for its last look.
SELECT min(since) AS since FROM looks WHERE shard = ANY($1::smallint[]);

-- name: list_held
-- The held orders of a seller, of one store and with one reason if asked, after a key.
SELECT order_key FROM orders
WHERE seller_id = $1 AND outcome = 'held' AND ($2::text IS NULL OR store_id = $2)
    AND ($3::text IS NULL OR reasons LIKE '%"code":"' || $3 || '"%') AND order_key > $4
ORDER BY order_key LIMIT $5;

-- name: locate_orders
-- Where orders belong and whose they are.
SELECT order_key, shard, seller_id FROM orders WHERE order_key = ANY($1::text[]);

-- name: put_variants
-- Keeps the catalog's newest word on each SKU; returns those that changed.
INSERT INTO catalog AS c (sku, variant, changed_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
ON CONFLICT (sku) DO UPDATE SET variant = excluded.variant, changed_at = excluded.changed_at
    WHERE excluded.changed_at >= c.changed_at AND excluded.variant <> c.variant
RETURNING sku;

-- name: forget_variants
-- Drops SKUs that production no longer has.
DELETE FROM catalog WHERE sku = ANY($1::text[]) RETURNING sku;

-- name: put_stores
-- Keeps the newest word on each store; returns those whose orders must be looked at again.
INSERT INTO stores AS s (store_id, seller_id, platform, import_since, changed_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
ON CONFLICT (store_id) DO UPDATE SET
    seller_id = excluded.seller_id, platform = excluded.platform, import_since = excluded.import_since,
    changed_at = excluded.changed_at
    WHERE excluded.changed_at >= s.changed_at AND excluded.import_since <> s.import_since
RETURNING store_id;

-- name: find_seller_of_store
-- Whose a store is.
SELECT seller_id FROM stores WHERE store_id = $1;

-- name: put_match
-- Keeps a match; another one for the same thing is replaced.
INSERT INTO matches AS m (match_id, ref, seller_id, store_id, kind, value, production_sku, designs, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (ref) DO UPDATE SET
    production_sku = excluded.production_sku, designs = excluded.designs, changed_at = excluded.changed_at
RETURNING match_id;

-- name: forget_match
-- Drops a seller's match.
DELETE FROM matches WHERE seller_id = $1 AND match_id = $2 RETURNING ref;

-- name: list_matches
-- A seller's matches after an id, of one store if asked.
SELECT match_id, store_id, kind, value, production_sku, designs, changed_at FROM matches
WHERE seller_id = $1 AND match_id > $2 AND ($3::text IS NULL OR store_id = $3)
ORDER BY match_id LIMIT $4;

-- name: find_match
-- One match of a seller's.
SELECT match_id, store_id, kind, value, production_sku, designs, changed_at FROM matches
WHERE seller_id = $1 AND match_id = $2;

-- name: put_settings
-- Keeps a seller's settings.
INSERT INTO seller_settings (seller_id, auto_match, auto_approve, auto_pay) VALUES ($1, $2, $3, $4)
ON CONFLICT (seller_id) DO UPDATE SET
    auto_match = excluded.auto_match, auto_approve = excluded.auto_approve, auto_pay = excluded.auto_pay;

-- name: notify
-- Tells the relays and workers of all processes that there is something to do; heard when the transaction commits.
SELECT pg_notify($1, $2);

-- name: search_variants
-- Variants in which every word of $1 begins some word, by SKU, after $2. All are found by their words before any is
-- sorted: who walks the SKUs in their order walks all of them for words that are rare.
WITH found AS MATERIALIZED (
    SELECT sku FROM catalog
    WHERE words @@ (
        SELECT string_agg(quote_literal(word) || ':*', ' & ')
        FROM unnest(regexp_split_to_array(lower($1), '[^[:alnum:]]+')) AS word
        WHERE word <> ''
    )::tsquery
), page AS (
    SELECT sku FROM found WHERE sku COLLATE "C" > $2 ORDER BY sku COLLATE "C" LIMIT $3
)
SELECT c.variant FROM page JOIN catalog AS c USING (sku) ORDER BY c.sku COLLATE "C";

-- name: list_variants
-- All variants, by SKU, after one.
SELECT variant FROM catalog WHERE sku COLLATE "C" > $1 ORDER BY sku COLLATE "C" LIMIT $2;
