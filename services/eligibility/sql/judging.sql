-- name: add_shards
-- Makes the rows of shards that are judged for the first time.
INSERT INTO shards (shard) SELECT unnest($1::smallint[]) ON CONFLICT DO NOTHING;

-- name: lock_shards
-- Makes this transaction the only one that judges orders of these shards; sorted, so that two never wait for each other.
SELECT shard, last_number FROM shards WHERE shard = ANY($1::smallint[]) ORDER BY shard FOR UPDATE;

-- name: share_facts
-- Lets facts of these slots change only after this transaction, so that what it waits for is there to be found.
SELECT pg_advisory_xact_lock_shared($1::integer, slot)
FROM (SELECT DISTINCT slot FROM unnest($2::integer[]) AS slot ORDER BY slot) AS slots;

-- name: own_facts
-- Waits until nobody judges by facts of these slots, and keeps others from it until this transaction ends.
SELECT pg_advisory_xact_lock($1::integer, slot)
FROM (SELECT DISTINCT slot FROM unnest($2::integer[]) AS slot ORDER BY slot) AS slots;

-- name: load_dossiers
-- Reads all that is known of these orders.
SELECT o.*, p.sealed_event, p.sealed_correction, p.told_address, p.told_items, p.buyer,
       c.amount AS charged_amount, c.currency AS charged_currency,
       l.order_key IS NOT NULL AS looked, l.read_at AS look_read_at, l.since AS look_since, l.asked AS look_asked,
       l.asked_at AS look_asked_at, l.again_at AS look_again_at, l.problem AS look_problem
FROM orders o
LEFT JOIN looks l USING (order_key)
LEFT JOIN personal_data p USING (order_key)
LEFT JOIN charges c USING (order_key)
WHERE o.order_key = ANY($1::text[]);

-- name: find_settings
-- The settings of these sellers.
SELECT seller_id, auto_match, auto_approve, auto_pay FROM seller_settings WHERE seller_id = ANY($1::text[]);

-- name: find_stores
-- From when on these stores' orders are ours.
SELECT store_id, import_since FROM stores WHERE store_id = ANY($1::text[]);

-- name: find_matches
-- The matches under these refs.
SELECT ref, production_sku, designs FROM matches WHERE ref = ANY($1::text[]);

-- name: find_variants
-- The catalog's variants of these SKUs.
SELECT sku, variant FROM catalog WHERE sku = ANY($1::text[]);

-- name: write_orders
-- Writes the judged orders; what the seller said about an order and what production answered is not touched.
INSERT INTO orders AS o (
    order_key, shard, seller_id, store_id, imported_at, revised_at, fetched_at, raw_event_id, registers,
    number, outcome, reasons, judged_event_id, decided_at, cost_amount, cost_currency, told_revision, told_cancelled,
    trace
)
SELECT * FROM unnest(
    $1::text[], $2::smallint[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
    $8::text[], $9::text[], $10::integer[], $11::text[], $12::text[], $13::text[], $14::timestamptz[], $15::bigint[],
    $16::text[], $17::integer[], $18::boolean[], $19::text[]
)
ON CONFLICT (order_key) DO UPDATE SET
    imported_at = excluded.imported_at, revised_at = excluded.revised_at, fetched_at = excluded.fetched_at,
    raw_event_id = excluded.raw_event_id, registers = excluded.registers, number = excluded.number,
    outcome = excluded.outcome, reasons = excluded.reasons, judged_event_id = excluded.judged_event_id,
    decided_at = excluded.decided_at, cost_amount = excluded.cost_amount, cost_currency = excluded.cost_currency,
    told_revision = excluded.told_revision, told_cancelled = excluded.told_cancelled,
    trace = excluded.trace;

-- name: write_personal_data
-- Keeps the sealed revisions; a correction stays as it is.
INSERT INTO personal_data (order_key, sealed_event, told_address, told_items, erase_after, buyer)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[])
ON CONFLICT (order_key) DO UPDATE SET
    sealed_event = excluded.sealed_event, told_address = excluded.told_address, told_items = excluded.told_items,
    erase_after = excluded.erase_after, buyer = excluded.buyer;

-- name: touch_orders
-- Notes a later reading of a revision that is already judged.
UPDATE orders AS o
SET imported_at = n.imported_at, revised_at = n.revised_at, fetched_at = n.fetched_at, raw_event_id = n.raw_event_id,
    registers = n.registers
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[])
    AS n (order_key, imported_at, revised_at, fetched_at, raw_event_id, registers)
WHERE o.order_key = n.order_key;

-- name: keep_looks
-- Keeps how far the last looks of these orders are.
INSERT INTO looks (order_key, shard, read_at, since, asked, asked_at, again_at, problem)
SELECT * FROM unnest(
    $1::text[], $2::smallint[], $3::timestamptz[], $4::timestamptz[], $5::integer[], $6::timestamptz[],
    $7::timestamptz[], $8::text[]
)
ON CONFLICT (order_key) DO UPDATE SET
    read_at = excluded.read_at, since = excluded.since, asked = excluded.asked, asked_at = excluded.asked_at,
    again_at = excluded.again_at, problem = excluded.problem;

-- name: forget_looks
-- Forgets the last looks of orders that are released, or will not be.
DELETE FROM looks WHERE order_key = ANY($1::text[]);

-- name: forget_waits
-- Orders that were judged again wait for nothing of before.
DELETE FROM waits WHERE order_key = ANY($1::text[]);

-- name: number_shards
-- Takes the numbers.
UPDATE shards AS s SET last_number = n.last_number
FROM unnest($1::smallint[], $2::bigint[]) AS n (shard, last_number)
WHERE s.shard = n.shard;

-- name: take_reassessments
-- Takes the oldest requests of a shard to judge an order again.
DELETE FROM reassessments
WHERE id IN (SELECT id FROM reassessments WHERE shard = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id, order_key, cause;

-- name: put_words
-- Keeps what the seller said about orders.
UPDATE orders AS o
SET approved = n.approved, approved_payment = n.approved_payment, approved_risk = n.approved_risk,
    held_by_seller = n.held_by_seller, pay_asked = n.pay_asked
FROM unnest($1::text[], $2::boolean[], $3::text[], $4::text[], $5::boolean[], $6::boolean[])
    AS n (order_key, approved, approved_payment, approved_risk, held_by_seller, pay_asked)
WHERE o.order_key = n.order_key;

-- name: put_corrections
-- Keeps the sealed corrections of addresses.
UPDATE personal_data AS p SET sealed_correction = n.sealed_correction
FROM unnest($1::text[], $2::bytea[]) AS n (order_key, sealed_correction)
WHERE p.order_key = n.order_key;

-- name: put_production_states
-- Keeps what production answered; who is shipped or cancelled may be forgotten after a while.
WITH told AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[], $4::timestamptz[])
        AS n (order_key, production_state, past_return, erase_after)
), stated AS (
    UPDATE orders AS o SET production_state = n.production_state, past_return = n.past_return
    FROM told n WHERE o.order_key = n.order_key
)
UPDATE personal_data AS p SET erase_after = coalesce(n.erase_after, p.erase_after)
FROM told n WHERE p.order_key = n.order_key;

-- name: request_reassessments
-- Asks for these orders to be judged again.
INSERT INTO reassessments (shard, order_key, cause)
SELECT shard, order_key, $2 FROM orders WHERE order_key = ANY($1::text[])
RETURNING shard;
