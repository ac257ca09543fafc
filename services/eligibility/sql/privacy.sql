-- name: keep_privacy_request
-- Keeps a request, once; returns whether it is new.
INSERT INTO privacy_requests (event_id, request_id, kind, platform, store_id, seller_id, order_keys, buyers, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7::text[], $8::bytea[], $9)
ON CONFLICT (event_id) DO NOTHING RETURNING event_id;

-- name: bury_orders
-- Puts tombstones on orders.
INSERT INTO erased_orders (order_key, event_id, erased_at)
SELECT n.order_key, $2, $3 FROM (SELECT DISTINCT unnest($1::text[]) AS order_key) AS n
ON CONFLICT DO NOTHING;

-- name: bury_buyers
-- Puts tombstones on buyers, in one store or (an empty one) in all; a later request takes what was placed until then too.
INSERT INTO erased_buyers AS b (buyer, store_id, event_id, asked_at)
SELECT n.buyer, $2, $3, $4 FROM (SELECT DISTINCT unnest($1::bytea[]) AS buyer) AS n
ON CONFLICT (buyer, store_id) DO UPDATE SET event_id = excluded.event_id, asked_at = excluded.asked_at
    WHERE excluded.asked_at > b.asked_at;

-- name: bury_store
-- Puts a tombstone on a store.
INSERT INTO erased_stores AS s (store_id, event_id, asked_at) VALUES ($1, $2, $3)
ON CONFLICT (store_id) DO UPDATE SET event_id = excluded.event_id, asked_at = excluded.asked_at
    WHERE excluded.asked_at > s.asked_at;

-- name: find_tombstones
-- The tombstones of these orders, stores and buyers.
SELECT 'order' AS kind, order_key AS ref, NULL::bytea AS buyer, event_id, erased_at AS asked_at
FROM erased_orders WHERE order_key = ANY($1::text[])
UNION ALL
SELECT 'store', store_id, NULL::bytea, event_id, asked_at FROM erased_stores WHERE store_id = ANY($2::text[])
UNION ALL
SELECT 'buyer', store_id, buyer, event_id, asked_at FROM erased_buyers WHERE buyer = ANY($3::bytea[]);

-- name: erase_orders
-- Erases what is kept of these orders' buyers, messages that were surely published included, leaves a tombstone on each, and
-- counts for the request that had it done.
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS n (order_key, event_id, seller_id)
), gone AS (
    DELETE FROM personal_data AS p USING asked AS n WHERE p.order_key = n.order_key RETURNING p.order_key
), buried AS (
    INSERT INTO erased_orders (order_key, event_id, erased_at) SELECT order_key, event_id, $4 FROM asked
    ON CONFLICT DO NOTHING
), sent AS (
    DELETE FROM outbox AS o USING asked AS n, relays AS r
    WHERE o.sealed AND o.order_key = n.order_key AND r.shard = o.shard AND o.number <= r.published
)
INSERT INTO erasures AS e (event_id, seller_id, orders)
SELECT event_id, seller_id, count(*) FROM asked JOIN gone USING (order_key)
GROUP BY event_id, seller_id ORDER BY event_id, seller_id
ON CONFLICT (event_id, seller_id) DO UPDATE SET orders = e.orders + excluded.orders;

-- name: list_to_erase
-- Erasures that are not done, oldest first.
SELECT * FROM privacy_requests WHERE state = 'open' AND kind <> 'data' ORDER BY number LIMIT $1;

-- name: list_of_store
-- Orders of a store of whose buyers something is kept, after a key.
SELECT p.order_key, o.shard, o.seller_id FROM personal_data p JOIN orders o USING (order_key)
WHERE split_part(p.order_key, ':', 2) COLLATE "C" = $1 AND p.order_key COLLATE "C" > $2
ORDER BY p.order_key COLLATE "C" LIMIT $3;

-- name: list_of_buyer
-- The named orders, and those of the named buyers, of whom something is kept, after a key; of one store if asked.
SELECT p.order_key, o.shard, o.seller_id FROM personal_data p JOIN orders o USING (order_key)
WHERE (p.order_key = ANY($1::text[]) OR p.buyer = ANY($2::bytea[])) AND p.order_key COLLATE "C" > $3
    AND ($4::text IS NULL OR o.store_id = $4)
ORDER BY p.order_key COLLATE "C" LIMIT $5;

-- name: close_privacy_request
-- Notes that a request is done; the first time counts.
UPDATE privacy_requests SET state = $2, closed_at = $3 WHERE event_id = $1 AND state = 'open';

-- name: list_privacy_requests
-- A seller's requests, the newest first, before a number; those about every store only where something of theirs was erased.
SELECT r.*, coalesce(e.orders, 0) AS orders_erased
FROM privacy_requests r LEFT JOIN erasures e ON e.event_id = r.event_id AND e.seller_id = $1
WHERE (r.seller_id = $1 OR e.orders IS NOT NULL) AND r.number < $2 AND ($3::text IS NULL OR r.state = $3)
ORDER BY r.number DESC LIMIT $4;

-- name: find_privacy_request
-- One of them.
SELECT r.*, coalesce(e.orders, 0) AS orders_erased
FROM privacy_requests r LEFT JOIN erasures e ON e.event_id = r.event_id AND e.seller_id = $1
WHERE (r.seller_id = $1 OR e.orders IS NOT NULL) AND r.event_id = $2;
