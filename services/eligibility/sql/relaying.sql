-- name: find_installation
-- The name of this database among all that ever published to the same Kafka.
SELECT id FROM installation;

-- name: read_outbox
-- The next messages of a shard, in their order.
SELECT number, topic, order_key, value, sealed, trace FROM outbox
WHERE shard = $1 AND number > $2 ORDER BY number LIMIT $3;

-- name: find_published
-- Up to where a shard was surely published.
SELECT published FROM relays WHERE shard = $1;

-- name: note_published
-- Notes up to where a shard was published; never goes back.
INSERT INTO relays AS r (shard, published) VALUES ($1, $2)
ON CONFLICT (shard) DO UPDATE SET published = greatest(r.published, excluded.published);

-- name: find_requested
-- The shards among these that have orders to judge again.
SELECT DISTINCT shard FROM reassessments WHERE shard = ANY($1::smallint[]);

-- name: erase_personal_data
-- Erases buyers' data whose time has come. The time is asked for again outside: a revision that brings the order back to
-- life meanwhile is waited for, and only the outer condition is looked at again then.
DELETE FROM personal_data
WHERE erase_after <= $1 AND order_key IN (SELECT order_key FROM personal_data WHERE erase_after <= $1 ORDER BY erase_after LIMIT $2)
RETURNING order_key;

-- name: forget_published
-- Drops messages that were published long ago. Numbers follow time, so only each shard's lowest ones are looked at.
DELETE FROM outbox AS o USING (
    SELECT x.shard, x.number
    FROM relays r
    CROSS JOIN LATERAL (
        SELECT shard, number, created_at FROM outbox
        WHERE shard = r.shard AND number <= r.published ORDER BY number LIMIT $2
    ) AS x
    WHERE x.created_at <= $1
) AS old
WHERE o.shard = old.shard AND o.number = old.number
RETURNING o.number;
