-- name: list_stores
-- A seller's stores, or the one named $4, with their newest session, newest poll that succeeded, and newest order, by id.
SELECT
    store.store_id,
    store.record,
    session.session_id AS last_session_id,
    session.listed_at AS last_session_at,
    session.state AS last_session_state,
    success.session_id AS last_success_id,
    success.finished_at AS last_success_at,
    success.window_end AS read_through,
    newest.listed_at AS last_order_at
FROM stores AS store
LEFT JOIN LATERAL (
    SELECT session_id, listed_at, state FROM sessions
    WHERE sessions.store_id = store.store_id AND sessions.seller_id = store.seller_id
    ORDER BY listed_at DESC, session_id DESC LIMIT 1
) AS session ON true
LEFT JOIN LATERAL (
    SELECT session_id, finished_at, window_end FROM sessions
    WHERE
        sessions.store_id = store.store_id
        AND sessions.seller_id = store.seller_id
        AND way = 'poll'
        AND finished_state = 'succeeded'
    ORDER BY listed_at DESC LIMIT 1
) AS success ON true
LEFT JOIN LATERAL (
    SELECT listed_at FROM orders
    WHERE orders.store_id = store.store_id AND orders.seller_id = store.seller_id
    ORDER BY listed_at DESC LIMIT 1
) AS newest ON true
WHERE
    store.seller_id = $1
    AND ($2::text IS NULL OR store.store_id > $2)
    AND ($4::text IS NULL OR store.store_id = $4)
ORDER BY store.store_id
LIMIT $3;

-- name: count_orders
-- How far a seller's orders are, by store. What was released counts as released whatever is decided later.
SELECT
    platform,
    store_id,
    count(*) AS imported,
    count(*) FILTER (WHERE outcome IS NULL AND released_at IS NULL) AS undecided,
    count(*) FILTER (WHERE outcome = 'held' AND released_at IS NULL) AS held,
    count(*) FILTER (WHERE outcome = 'rejected' AND released_at IS NULL) AS rejected,
    count(*) FILTER (WHERE released_at IS NOT NULL) AS released,
    count(*) FILTER (WHERE production_state IS NOT NULL) AS accepted,
    count(*) FILTER (WHERE state = 'on_hold') AS on_hold,
    count(*) FILTER (WHERE shipped_at IS NOT NULL) AS shipped,
    count(*) FILTER (WHERE state = 'cancelled') AS cancelled
FROM orders
WHERE seller_id = $1
GROUP BY platform, store_id
ORDER BY platform, store_id;

-- name: count_reasons
-- How many of a seller's orders each reason holds, rejects, or (once released) remarks on, by store.
SELECT
    platform,
    store_id,
    CASE WHEN released_at IS NOT NULL THEN 'remarked' ELSE outcome END AS effect,
    code,
    count(*) AS orders
FROM orders CROSS JOIN unnest(reason_codes) AS code
WHERE seller_id = $1
GROUP BY platform, store_id, effect, code
ORDER BY platform, store_id, effect, code;

-- name: list_sessions
-- A seller's sync sessions, newest first. $8 keeps those that brought something.
SELECT *
FROM sessions
WHERE
    seller_id = $1
    AND ($2::text IS NULL OR platform = $2)
    AND ($3::text IS NULL OR store_id = $3)
    AND ($4::text IS NULL OR way = $4)
    AND ($5::text IS NULL OR state = $5)
    AND ($6::timestamptz IS NULL OR listed_at >= $6)
    AND ($7::timestamptz IS NULL OR listed_at < $7)
    AND (NOT $8::boolean OR new_orders + updated_orders + failed_orders > 0)
    AND ($9::timestamptz IS NULL OR (listed_at, session_id) < ($9, $10::text))
ORDER BY listed_at DESC, session_id DESC
LIMIT $11;

-- name: find_session
-- One sync session of a seller.
SELECT * FROM sessions WHERE seller_id = $1 AND session_id = $2;

-- name: list_session_orders
-- What a session did with each order, in the order they were read.
SELECT *
FROM session_orders
WHERE
    session_id = $1
    AND ($2::text IS NULL OR result = $2)
    AND ($3::integer IS NULL OR (part, position, entry_key) > ($3, $4::integer, $5::text))
ORDER BY part, position, entry_key
LIMIT $6;

-- name: list_orders
-- A seller's orders with their parcels, last placed first. What was delivered was shipped, too. $13 keeps those near or past their deadline at $14.
SELECT
    orders.*,
    (
        SELECT jsonb_agg(to_jsonb(parcel) ORDER BY parcel.shipped_at, parcel.push_id)
        FROM parcels AS parcel
        WHERE parcel.order_key = orders.order_key
    ) AS tracking,
    cardinality(parcels_arrived) > 0 AND parcels_left <@ (parcels_arrived || parcels_void) AS arrived
FROM orders
WHERE
    seller_id = $1
    AND ($2::text IS NULL OR platform = $2)
    AND ($3::text IS NULL OR store_id = $3)
    AND (
        $4::text IS NULL
        OR state = $4
        OR (
            $4 = 'delivered'
            AND state = 'shipped'
            AND cardinality(parcels_arrived) > 0
            AND parcels_left <@ (parcels_arrived || parcels_void)
        )
    )
    AND ($5::text IS NULL OR outcome = $5)
    AND ($6::text IS NULL OR $6 = ANY (reason_codes))
    AND (
        $7::text IS NULL
        OR position($7 IN searched) > 0
        OR (searched IS NULL AND position($7 IN lower(concat_ws(' ', heard_display_name, external_id))) > 0)
    )
    AND ($8::timestamptz IS NULL OR listed_at >= $8)
    AND ($9::timestamptz IS NULL OR listed_at < $9)
    AND ($10::timestamptz IS NULL OR (listed_at, order_key) < ($10, $11::text))
    AND (
        $13::text IS NULL
        OR (
            state NOT IN ('rejected', 'cancelling', 'cancelled')
            AND fulfilment IS DISTINCT FROM 'fulfilled'
            AND CASE
                WHEN shipped_at IS NULL THEN
                    at_risk_from <= $14::timestamptz AND CASE WHEN ship_by <= $14 THEN 'late' ELSE 'at_risk' END = $13
                -- As in `due_orders`.
                ELSE (
                    SELECT
                        min(
                            CASE
                                WHEN untold.ship_by IS NULL THEN orders.at_risk_from
                                ELSE untold.ship_by
                                    - GREATEST(interval '24 hours', (untold.ship_by - orders.placed_at) / 3)
                            END
                        ) <= $14
                        AND CASE
                            WHEN min(COALESCE(untold.ship_by, orders.ship_by)) <= $14 THEN 'late'
                            ELSE 'at_risk'
                        END = $13
                    FROM parcels AS untold
                    WHERE
                        untold.order_key = orders.order_key
                        AND untold.state IN ('queued', 'sent', 'refused', 'needs_attention')
                )
            END
        )
    )
ORDER BY listed_at DESC, order_key DESC
LIMIT $12;

-- name: find_order
-- One order of a seller with its parcels.
SELECT
    orders.*,
    (
        SELECT jsonb_agg(to_jsonb(parcel) ORDER BY parcel.shipped_at, parcel.push_id)
        FROM parcels AS parcel
        WHERE parcel.order_key = orders.order_key
    ) AS tracking,
    cardinality(parcels_arrived) > 0 AND parcels_left <@ (parcels_arrived || parcels_void) AS arrived
FROM orders
WHERE seller_id = $1 AND order_key = $2;

-- name: list_timeline
-- What happened to an order, oldest first.
SELECT entry_id, at, kind, data
FROM timeline
WHERE order_key = $1
ORDER BY at, sequence, entry_id;
