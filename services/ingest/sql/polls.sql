-- name: claim_polls
-- Leases linked stores that are due and free to $1: those asked for first, then those never polled, then those that
-- rested the longest for what they were to rest. Rows that another process is claiming are passed over. A store whose automatic sync is off is due only when somebody asked; what was asked for makes it due at
-- once, but only once: a poll that fails is tried again when its wait is over, or when its process is gone.
UPDATE polls
SET lease_owner = $1, lease_number = polls.lease_number + 1, lease_expires_at = $5, claimed_at = $4
FROM (
    SELECT due.store_id
    FROM polls AS due JOIN stores USING (store_id)
    WHERE stores.state = 'linked'
      AND stores.platform = ANY($2::text[])
      AND (
          (
              due.asked_at IS NOT NULL
              AND (
                  due.asked_at > COALESCE(due.claimed_at, '-infinity')
                  OR due.lease_owner IS NOT NULL
                  OR COALESCE(due.next_poll_at, '-infinity') <= $4
              )
          )
          OR (stores.auto_sync AND COALESCE(due.next_poll_at, '-infinity') <= $4)
      )
      AND COALESCE(due.lease_expires_at, '-infinity') <= $4
    ORDER BY due.asked_at NULLS LAST,
        EXTRACT(EPOCH FROM $4::timestamptz - due.last_poll_at) / GREATEST(due.rest_seconds, 60) DESC NULLS FIRST
    LIMIT $3
    FOR UPDATE OF due SKIP LOCKED
) AS chosen, stores
WHERE polls.store_id = chosen.store_id AND stores.store_id = chosen.store_id
RETURNING stores.*, polls.lease_number, polls.cursor, polls.failures, polls.activity,
    CASE WHEN polls.asked_at IS NOT NULL THEN polls.asked_by END AS asked_by,
    ARRAY(SELECT budget FROM poll_costs WHERE store_id = polls.store_id ORDER BY budget) AS budgets,
    ARRAY(SELECT cost FROM poll_costs WHERE store_id = polls.store_id ORDER BY budget) AS costs;

-- name: sharers_of_budgets
-- The stores whose polls take from budgets by themselves.
SELECT poll_costs.budget, poll_costs.store_id, poll_costs.cost, polls.activity,
    cardinality(stores.subscriptions) > 0 AND stores.push_problem IS NULL AS pushed
FROM poll_costs JOIN polls USING (store_id) JOIN stores USING (store_id)
WHERE poll_costs.budget = ANY($1::text[]) AND stores.state = 'linked' AND stores.auto_sync;

-- name: keep_costs
-- Keeps what one poll of a store takes of each budget, and forgets the budgets that it takes nothing of.
WITH forgotten AS (
    DELETE FROM poll_costs WHERE store_id = $1 AND budget <> ALL($2::text[])
)
INSERT INTO poll_costs (budget, store_id, cost)
SELECT taken.budget, $1, taken.cost FROM unnest($2::text[], $3::float8[]) AS taken (budget, cost)
ON CONFLICT (budget, store_id) DO UPDATE SET cost = excluded.cost;

-- name: renew_lease
-- Keeps a lease for longer, if it is still the newest of its store.
UPDATE polls SET lease_expires_at = GREATEST(lease_expires_at, $4)
WHERE store_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING store_id;

-- name: hold_lease
-- Locks the store's row for this transaction, if the lease is still the newest: nobody can take it meanwhile.
SELECT store_id FROM polls WHERE store_id = $1 AND lease_owner = $2 AND lease_number = $3 FOR UPDATE;

-- name: give_back_lease
-- Ends a lease without a result.
UPDATE polls
SET lease_owner = NULL, lease_expires_at = NULL, next_poll_at = $4, next_because = COALESCE($5, next_because)
WHERE store_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING store_id;

-- name: end_poll
-- Ends a lease with a result. The cursor never moves back, and what was asked for meanwhile is due at once.
UPDATE polls
SET cursor = GREATEST(cursor, $4), next_poll_at = $5, failures = $6, last_poll_at = $7, next_because = $8,
    activity = COALESCE($9, activity), rest_seconds = GREATEST(EXTRACT(EPOCH FROM $5::timestamptz - $7::timestamptz), 0),
    asked_at = CASE WHEN asked_at > claimed_at THEN asked_at END,
    lease_owner = NULL, lease_expires_at = NULL
WHERE store_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING store_id;

-- name: hurry_poll
-- Makes a store due that was to rest for longer.
UPDATE polls SET next_poll_at = $2, next_because = $3, failures = 0 WHERE store_id = $1 AND next_poll_at > $2;

-- name: ask_for_poll
-- Makes a store due now.
UPDATE polls SET asked_at = $2, asked_by = $3 WHERE store_id = $1;

-- name: take_lease_away
-- Ends whatever lease a store has, so that its holder can write nothing more.
UPDATE polls
SET lease_number = lease_number + 1, lease_owner = NULL, lease_expires_at = NULL, asked_at = NULL
WHERE store_id = $1;

-- name: progress_of_polls
-- How far stores are read.
SELECT store_id, cursor, next_poll_at, last_poll_at, next_because FROM polls WHERE store_id = ANY($1::text[]);

-- name: seen_orders
-- What is known of a page of orders.
SELECT order_key, revised_at, event_id, session_id, open, read_at, ship_by
FROM seen_orders WHERE order_key = ANY($1::text[]);

-- name: keep_seen
-- Keeps the newest revision seen of each order; an older one that comes late changes nothing.
INSERT INTO seen_orders AS held (order_key, revised_at, event_id, session_id, open, read_at, ship_by)
SELECT * FROM unnest(
    $1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[], $7::timestamptz[]
)
ON CONFLICT (order_key) DO UPDATE
SET revised_at = excluded.revised_at, event_id = excluded.event_id, session_id = excluded.session_id,
    open = excluded.open, read_at = excluded.read_at, ship_by = COALESCE(excluded.ship_by, held.ship_by),
    last_seen_at = now()
WHERE held.revised_at <= excluded.revised_at;

-- name: running_poll
-- The poll session of a store that has not ended.
SELECT * FROM sessions WHERE store_id = $1 AND way = 'poll' AND state = 'running';

-- name: session_part
-- How many parts of a session are kept.
SELECT part FROM sessions WHERE session_id = $1;

-- name: record_part
-- Keeps one more part of a poll session with what it saw and what is to be told of it, all or nothing and in one round
-- trip, if the lease is still the newest; a part that is kept already changes nothing. Tells whether the lease held.
WITH held AS (
    SELECT store_id FROM polls WHERE store_id = $1 AND lease_owner = $2 AND lease_number = $3 FOR UPDATE
),
advanced AS (
    UPDATE sessions
    SET part = $5, read_through = $6, total = $7, new = $8, updated = $9, existing = $10, failed = $11
    FROM held
    WHERE sessions.session_id = $4 AND sessions.part < $5 AND sessions.state = 'running'
    RETURNING sessions.session_id
),
kept AS (
    INSERT INTO seen_orders AS known (order_key, revised_at, event_id, session_id, open, read_at, ship_by)
    SELECT seen.* FROM advanced, unnest(
        $12::text[], $13::timestamptz[], $14::text[], $15::text[], $16::boolean[], $17::timestamptz[],
        $18::timestamptz[]
    ) AS seen
    ON CONFLICT (order_key) DO UPDATE
    SET revised_at = excluded.revised_at, event_id = excluded.event_id, session_id = excluded.session_id,
        open = excluded.open, read_at = excluded.read_at, ship_by = COALESCE(excluded.ship_by, known.ship_by),
        last_seen_at = now()
    WHERE known.revised_at <= excluded.revised_at
),
told AS (
    INSERT INTO outbox (topic, key, value)
    SELECT message.topic, message.key, message.value
    FROM advanced, unnest($19::text[], $20::text[], $21::bytea[]) WITH ORDINALITY
        AS message (topic, key, value, place)
    ORDER BY message.place
)
SELECT store_id FROM held;

-- name: keep_session
-- Keeps a session as far as it got; an older state of it changes nothing.
INSERT INTO sessions AS held (
    session_id, store_id, seller_id, platform, way, started_by, state, window_start, window_end, read_through, part,
    total, new, updated, existing, failed, started_at, finished_at, problem
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (session_id) DO UPDATE
SET state = excluded.state, read_through = excluded.read_through, part = excluded.part, total = excluded.total,
    new = excluded.new, updated = excluded.updated, existing = excluded.existing, failed = excluded.failed,
    finished_at = excluded.finished_at, problem = excluded.problem
WHERE held.part <= excluded.part AND held.state = 'running';

-- name: abandoned_webhook_sessions
-- Sessions of an hour that is long over and whose process is gone.
SELECT * FROM sessions
WHERE way IN ('webhook', 'api', 'form') AND state = 'running' AND window_end < $1
ORDER BY session_id LIMIT 500 FOR UPDATE SKIP LOCKED;

-- name: forget_sessions
-- Forgets sessions that ended long ago.
DELETE FROM sessions WHERE finished_at < $1;

-- name: put_in_outbox
-- Adds messages that are to be told, in their order.
INSERT INTO outbox (topic, key, value)
SELECT topic, key, value
FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY AS told (topic, key, value, place)
ORDER BY place;

-- name: lock_outbox
-- Lets one process at a time relay, so that messages of one key keep their order.
SELECT pg_try_advisory_xact_lock(hashtextextended('ingest.outbox', 0));

-- name: oldest_in_outbox
-- The messages that have waited longest.
SELECT id, topic, key, value FROM outbox ORDER BY id LIMIT $1;

-- name: take_from_outbox
-- Forgets messages that Kafka has.
DELETE FROM outbox WHERE id = ANY($1::bigint[]);
