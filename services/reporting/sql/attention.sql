-- name: failing_stores
-- A seller's stores whose newest polls did not succeed, with how many in a row ($2 are looked at) and the newest of them.
SELECT store.store_id, failing.sessions, failing.since, failing.session_id, failing.problem
FROM stores AS store
CROSS JOIN LATERAL (
    SELECT
        count(*) AS sessions,
        min(finished_at) AS since,
        (array_agg(session_id ORDER BY listed_at DESC, session_id DESC))[1] AS session_id,
        (array_agg(problem ORDER BY listed_at DESC, session_id DESC))[1] AS problem
    FROM (
        SELECT
            session_id,
            listed_at,
            finished_at,
            problem,
            bool_or(finished_state NOT IN ('failed', 'partial'))
                OVER (ORDER BY listed_at DESC, session_id DESC) AS after_success
        FROM (
            SELECT * FROM sessions
            WHERE
                sessions.store_id = store.store_id
                AND sessions.seller_id = store.seller_id
                AND way = 'poll'
                AND finished_state IS NOT NULL
            ORDER BY listed_at DESC, session_id DESC LIMIT $2
        ) AS newest
    ) AS ended
    WHERE NOT after_success
) AS failing
WHERE store.seller_id = $1 AND failing.sessions > 0
ORDER BY store.store_id;

-- name: unreadable_orders
-- By store, the orders that sessions since $2 failed to read and that nothing read since; at most $3 sessions' worth.
SELECT
    store_id,
    count(DISTINCT entry_key) AS orders,
    min(at) AS since,
    (array_agg(session_id ORDER BY listed_at DESC, session_id DESC))[1] AS session_id,
    (array_agg(way ORDER BY listed_at DESC, session_id DESC))[1] AS way
FROM (
    SELECT
        failed.entry_key,
        failed.order_key,
        session.store_id,
        session.session_id,
        session.listed_at,
        session.way,
        COALESCE(failed.told_at, session.listed_at) AS at
    FROM (
        SELECT session_id, store_id, listed_at, way FROM sessions
        WHERE seller_id = $1 AND failed_orders > 0 AND listed_at >= $2
        ORDER BY listed_at DESC LIMIT $3
    ) AS session
    JOIN session_orders AS failed ON failed.session_id = session.session_id AND failed.result = 'failed'
) AS unread
WHERE NOT EXISTS (
    SELECT FROM timeline AS later
    WHERE later.order_key = unread.order_key AND later.kind IN ('imported', 'revised') AND later.at > unread.at
)
GROUP BY store_id
ORDER BY store_id;

-- name: waiting_orders
-- By reason, a seller's orders that were imported before $2 and are held still: of the $3 that wait longest.
WITH oldest AS (
    SELECT imported_at, reason_codes FROM orders
    WHERE seller_id = $1 AND outcome = 'held' AND released_at IS NULL AND imported_at < $2
    ORDER BY imported_at LIMIT $3
)

SELECT code, count(*) AS orders, min(imported_at) AS since, (SELECT count(*) FROM oldest) >= $3 AS at_least
FROM oldest CROSS JOIN unnest(reason_codes) AS code
GROUP BY code
ORDER BY code;

-- name: attention_stores
-- A seller's stores as they are, at most $2.
SELECT record FROM stores WHERE seller_id = $1 ORDER BY store_id LIMIT $2;

-- name: disabled_endpoints
-- A seller's own addresses that are not called any more.
SELECT record FROM webhook_endpoints
WHERE seller_id = $1 AND record ->> 'state' = 'disabled'
ORDER BY endpoint_id;

-- name: due_orders
-- By store, a seller's orders that are near or past their deadline at $2, not more than that after $3: not shipped yet, or
-- shipped and their platform does not have a parcel's number.
WITH due AS (
    SELECT order_key, store_id, ship_by, at_risk_from FROM orders
    WHERE
        seller_id = $1
        AND shipped_at IS NULL
        AND at_risk_from <= $2
        AND ship_by > $3
        AND state NOT IN ('rejected', 'cancelling', 'cancelled')
        AND fulfilment IS DISTINCT FROM 'fulfilled'
    UNION
    SELECT order_key, store_id, ship_by, at_risk_from
    FROM (
        -- What the platform told of the deadline when it was asked of a parcel is newer than what the order says.
        SELECT
            untold.order_key,
            untold.store_id,
            min(COALESCE(parcel.ship_by, untold.ship_by)) AS ship_by,
            min(
                CASE
                    WHEN parcel.ship_by IS NULL THEN untold.at_risk_from
                    ELSE parcel.ship_by - GREATEST(interval '24 hours', (parcel.ship_by - untold.placed_at) / 3)
                END
            ) AS at_risk_from
        FROM parcels AS parcel JOIN orders AS untold ON untold.order_key = parcel.order_key
        WHERE
            parcel.seller_id = $1
            AND parcel.state IN ('queued', 'sent', 'refused', 'needs_attention')
            AND untold.state NOT IN ('rejected', 'cancelling', 'cancelled')
            AND untold.fulfilment IS DISTINCT FROM 'fulfilled'
        GROUP BY untold.order_key
    ) AS by_order
    WHERE at_risk_from <= $2 AND ship_by > $3
)

SELECT
    store_id,
    ship_by <= $2 AS late,
    count(*) AS orders,
    min(CASE WHEN ship_by <= $2 THEN ship_by ELSE at_risk_from END) AS since
FROM due
GROUP BY store_id, late
ORDER BY store_id, late;

-- name: stuck_parcels
-- By store, a seller's orders with a parcel whose number its platform will not take, or not without the seller; those that
-- changed since $2.
SELECT store_id, state, count(DISTINCT order_key) AS orders, min(changed_at) AS since
FROM parcels
WHERE seller_id = $1 AND state IN ('refused', 'needs_attention') AND changed_at > $2
GROUP BY store_id, state
ORDER BY store_id, state;
