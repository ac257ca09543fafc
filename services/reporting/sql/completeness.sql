-- name: all_stores
-- Every store as it is, whoever's.
SELECT store_id, record FROM stores ORDER BY store_id;

-- name: find_proofs
-- What proves these stores ($2) of a seller ($1; null: of anybody) complete, and when each is read next. At most $3
-- orders that wait are counted.
SELECT
    store.store_id,
    kept.polled,
    kept.covered,
    poll.finished_at AS polled_at,
    poll.next_at,
    poll.next_because,
    healed.session_id AS healed_session_id,
    healed.finished_at AS healed_at,
    healed.healed,
    COALESCE(waiting.orders, 0) AS waiting
FROM stores AS store
LEFT JOIN completeness AS kept ON kept.store_id = store.store_id
LEFT JOIN LATERAL (
    SELECT finished_at, next_at, next_because FROM sessions
    WHERE
        sessions.store_id = store.store_id
        AND sessions.seller_id = store.seller_id
        AND way = 'poll'
        AND finished_state IS NOT NULL
    ORDER BY listed_at DESC, session_id DESC LIMIT 1
) AS poll ON true
LEFT JOIN LATERAL (
    SELECT session_id, finished_at, healed FROM sessions
    WHERE sessions.store_id = store.store_id AND sessions.seller_id = store.seller_id AND sessions.healed IS NOT NULL
    ORDER BY finished_at DESC, session_id DESC LIMIT 1
) AS healed ON true
LEFT JOIN LATERAL (
    SELECT count(DISTINCT order_key) AS orders
    FROM (
        SELECT listed.order_key
        FROM sessions AS unproven
        JOIN session_orders AS listed ON listed.session_id = unproven.session_id AND listed.revision_told IS NOT NULL
        LEFT JOIN orders AS held ON held.order_key = listed.order_key
        WHERE
            unproven.store_id = store.store_id
            AND unproven.way = 'poll'
            AND unproven.read_through IS NOT NULL
            AND unproven.window_start < unproven.read_through
            AND NOT unproven.proven
            AND (held.judged_revised_at IS NULL OR held.judged_revised_at < listed.revision_told)
        LIMIT $3
    ) AS unjudged
) AS waiting ON true
WHERE ($1::text IS NULL OR store.seller_id = $1) AND ($2::text[] IS NULL OR store.store_id = ANY ($2));

-- name: find_doubts
-- Audits of these stores ($2) of a seller ($1; null: of anybody) that left orders unsettled which no later audit
-- settled. `settles` in watermark.py says the same.
SELECT
    doubted.audit_id,
    doubted.store_id,
    doubted.unsettled AS orders,
    COALESCE(doubted.unsettled_since, doubted.window_start, doubted.listed_at) AS since,
    doubted.finished_at AS ended_at
FROM audits AS doubted
WHERE
    ($1::text IS NULL OR doubted.seller_id = $1)
    AND ($2::text[] IS NULL OR doubted.store_id = ANY ($2))
    AND doubted.unsettled > 0
    AND doubted.state NOT IN ('agreed', 'explained')
    AND NOT EXISTS (
        SELECT FROM audits AS later
        WHERE
            later.store_id = doubted.store_id
            AND later.listed_at > doubted.listed_at
            AND later.state IN ('agreed', 'explained')
            AND (
                (later.window_start IS NULL AND doubted.window_start IS NULL)
                OR (
                    later.window_start <= COALESCE(doubted.unsettled_since, doubted.window_start, doubted.listed_at)
                    AND later.window_end >= CASE
                        WHEN doubted.window_start IS NOT NULL AND later.by = doubted.by THEN doubted.window_end
                        WHEN later.by = 'updated' THEN doubted.listed_at
                    END
                )
            )
    )
ORDER BY since, audit_id;

-- name: list_audits
-- A seller's audits, newest first.
SELECT *
FROM audits
WHERE
    seller_id = $1
    AND ($2::text IS NULL OR store_id = $2)
    AND ($3::text IS NULL OR scope = $3)
    AND ($4::text IS NULL OR state = $4)
    AND ($5::timestamptz IS NULL OR (listed_at, audit_id) < ($5, $6::text))
ORDER BY listed_at DESC, audit_id DESC
LIMIT $7;

-- name: find_audit
-- One audit of a seller.
SELECT * FROM audits WHERE seller_id = $1 AND audit_id = $2;

-- name: newest_audits
-- Of each of a seller's stores ($2), the newest audit of each scope.
SELECT audit.*
FROM unnest($2::text[]) AS wanted (store_id)
CROSS JOIN unnest(ARRAY['day', 'week', 'open', 'asked']) AS kind (scope)
CROSS JOIN LATERAL (
    SELECT * FROM audits
    WHERE audits.store_id = wanted.store_id AND audits.scope = kind.scope AND audits.seller_id = $1
    ORDER BY listed_at DESC, audit_id DESC LIMIT 1
) AS audit
ORDER BY audit.store_id, audit.listed_at DESC, audit.audit_id DESC;

-- name: covering_audits
-- A seller's newest audits of a store whose window of that kind of time holds [$4, $5).
SELECT *
FROM audits
WHERE seller_id = $1 AND store_id = $2 AND by = $3 AND window_start <= $4 AND window_end >= $5
ORDER BY listed_at DESC, audit_id DESC
LIMIT $6;

-- name: count_updated
-- How many judged orders of a seller's store were last changed in [$3, $4).
SELECT count(*) AS orders FROM orders
WHERE seller_id = $1 AND store_id = $2 AND judged_revised_at >= $3 AND judged_revised_at < $4;

-- name: count_created
-- How many judged orders of a seller's store were placed in [$3, $4).
SELECT count(*) AS orders FROM orders
WHERE
    seller_id = $1 AND store_id = $2 AND listed_at >= $3 AND listed_at < $4 AND judged_revised_at IS NOT NULL;

-- name: named_orders
-- What the report calls these orders, and which revision of each was judged last.
SELECT order_key, COALESCE(display_name, heard_display_name) AS display_name, judged_revised_at FROM orders
WHERE seller_id = $1 AND order_key = ANY ($2::text[]);

-- name: held_counts
-- How many judged orders of a seller's store were last changed in [$3, $4), how many placed, and the newest change of them.
SELECT changed.orders AS updated, placed.orders AS created, changed.newest
FROM (
    SELECT count(*) AS orders, max(judged_revised_at) AS newest FROM orders
    WHERE seller_id = $1 AND store_id = $2 AND judged_revised_at >= $3 AND judged_revised_at < $4
) AS changed
CROSS JOIN (
    SELECT count(*) AS orders FROM orders
    WHERE
        seller_id = $1 AND store_id = $2 AND listed_at >= $3 AND listed_at < $4 AND judged_revised_at IS NOT NULL
) AS placed;

-- name: held_by_key
-- The judged orders of a seller among these keys.
SELECT external_id, judged_revised_at, listed_at FROM orders
WHERE seller_id = $1 AND order_key = ANY ($2::text[]) AND judged_revised_at IS NOT NULL;

-- name: held_by_change
-- The judged orders of a seller's store that were last changed in [$3, $4).
SELECT external_id, judged_revised_at, listed_at FROM orders
WHERE seller_id = $1 AND store_id = $2 AND judged_revised_at >= $3 AND judged_revised_at < $4;

-- name: held_by_creation
-- The judged orders of a seller's store that were placed in [$3, $4).
SELECT external_id, judged_revised_at, listed_at FROM orders
WHERE
    seller_id = $1 AND store_id = $2 AND listed_at >= $3 AND listed_at < $4 AND judged_revised_at IS NOT NULL;
