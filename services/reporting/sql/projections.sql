-- name: next_offsets
-- How far the given partitions are in the tables.
SELECT topic, partition, next_offset
FROM positions
WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::integer[]));

-- name: begin_positions
-- Makes sure that each partition of the batch has a row to lock.
INSERT INTO positions (topic, partition, next_offset)
SELECT topic, partition, 0 FROM unnest($1::text[], $2::integer[]) AS batch (topic, partition)
ORDER BY topic, partition
ON CONFLICT DO NOTHING;

-- name: lock_positions
-- Locks the batch's partitions until the commit, so that a reader that lost them cannot write beside the new one.
SELECT topic, partition, next_offset
FROM positions
WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::integer[]))
ORDER BY topic, partition
FOR UPDATE;

-- name: move_positions
-- Notes up to where the tables now hold each partition.
UPDATE positions AS kept SET next_offset = batch.next_offset
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS batch (topic, partition, next_offset)
WHERE kept.topic = batch.topic AND kept.partition = batch.partition;

-- name: write_sellers
-- Puts in sellers, the newest record of each.
INSERT INTO sellers AS kept (seller_id, changed_at, record)
SELECT seller_id, changed_at, record
FROM jsonb_to_recordset($1) AS batch (seller_id text, changed_at timestamptz, record jsonb)
ORDER BY seller_id
ON CONFLICT (seller_id) DO UPDATE SET changed_at = excluded.changed_at, record = excluded.record
WHERE excluded.changed_at >= kept.changed_at;

-- name: write_stores
-- Puts in stores, the newest record of each.
INSERT INTO stores AS kept (store_id, seller_id, changed_at, record)
SELECT store_id, seller_id, changed_at, record
FROM jsonb_to_recordset($1) AS batch (store_id text, seller_id text, changed_at timestamptz, record jsonb)
ORDER BY store_id
ON CONFLICT (store_id) DO UPDATE
SET seller_id = excluded.seller_id, changed_at = excluded.changed_at, record = excluded.record
WHERE excluded.changed_at >= kept.changed_at;

-- name: write_endpoints
-- Puts in sellers' own addresses, the newest record of each.
INSERT INTO webhook_endpoints AS kept (endpoint_id, seller_id, changed_at, record)
SELECT endpoint_id, seller_id, changed_at, record
FROM jsonb_to_recordset($1) AS batch (endpoint_id text, seller_id text, changed_at timestamptz, record jsonb)
ORDER BY endpoint_id
ON CONFLICT (endpoint_id) DO UPDATE SET changed_at = excluded.changed_at, record = excluded.record
WHERE excluded.changed_at >= kept.changed_at;

-- name: write_sessions
-- Merges what is known of sessions: how each began, its highest part, how it ended.
INSERT INTO sessions AS kept (
    session_id, seller_id, store_id, first_at, changed_at, start_event_id, started_at, platform, way, automatic,
    started_by, window_start, window_end, last_part, total, finish_event_id, finished_at, finished_state, problem,
    read_through, healed, next_at, next_because
)
SELECT
    session_id, seller_id, store_id, first_at, changed_at, start_event_id, started_at, platform, way, automatic,
    started_by, window_start, window_end, last_part, total, finish_event_id, finished_at, finished_state, problem,
    read_through, healed, next_at, next_because
FROM jsonb_to_recordset($1) AS batch (
    session_id text, seller_id text, store_id text, first_at timestamptz, changed_at timestamptz,
    start_event_id text, started_at timestamptz, platform text, way text, automatic boolean, started_by text,
    window_start timestamptz, window_end timestamptz, last_part integer, total integer, finish_event_id text,
    finished_at timestamptz, finished_state text, problem text, read_through timestamptz, healed text,
    next_at timestamptz, next_because text
)
ORDER BY session_id
ON CONFLICT (session_id) DO UPDATE SET
    first_at = LEAST(kept.first_at, excluded.first_at),
    changed_at = GREATEST(kept.changed_at, excluded.changed_at),
    (start_event_id, started_at, platform, way, automatic, started_by, window_start, window_end) = (
        SELECT id, at, platform, way, automatic, started_by, window_start, window_end
        FROM (VALUES
            (kept.start_event_id, kept.started_at, kept.platform, kept.way, kept.automatic, kept.started_by,
             kept.window_start, kept.window_end),
            (excluded.start_event_id, excluded.started_at, excluded.platform, excluded.way, excluded.automatic,
             excluded.started_by, excluded.window_start, excluded.window_end)
        ) AS known (id, at, platform, way, automatic, started_by, window_start, window_end)
        ORDER BY at NULLS LAST, id LIMIT 1
    ),
    (last_part, total) = (
        SELECT part, total
        FROM (VALUES (kept.last_part, kept.total), (excluded.last_part, excluded.total)) AS known (part, total)
        ORDER BY part DESC, COALESCE(total, 0) DESC LIMIT 1
    ),
    (finish_event_id, finished_at, finished_state, problem, read_through, healed, next_at, next_because) = (
        SELECT id, at, state, problem, read_through, healed, next_at, next_because
        FROM (VALUES
            (kept.finish_event_id, kept.finished_at, kept.finished_state, kept.problem, kept.read_through, kept.healed,
             kept.next_at, kept.next_because),
            (excluded.finish_event_id, excluded.finished_at, excluded.finished_state, excluded.problem,
             excluded.read_through, excluded.healed, excluded.next_at, excluded.next_because)
        ) AS known (id, at, state, problem, read_through, healed, next_at, next_because)
        ORDER BY at NULLS LAST, id LIMIT 1
    );

-- name: write_session_orders
-- Merges what sessions did with orders, and moves each session's counts by exactly what changed here. One reader at a
-- time writes a session (its partition's position is locked), so the rows seen before are the rows replaced.
WITH batch AS (
    SELECT * FROM jsonb_to_recordset($1) AS batch (
        session_id text, entry_key text, part integer, position integer, precedence smallint, result text,
        external_id text, order_key text, display_name text, placed_at timestamptz, revised_at timestamptz,
        problem text, told_at timestamptz, revision_told timestamptz
    )
),
written AS (
    INSERT INTO session_orders AS kept (
        session_id, entry_key, part, position, precedence, result, external_id, order_key, display_name, placed_at,
        revised_at, problem, told_at, revision_told
    )
    SELECT
        session_id, entry_key, part, position, precedence, result, external_id, order_key, display_name, placed_at,
        revised_at, problem, told_at, revision_told
    FROM batch
    ORDER BY session_id, entry_key
    ON CONFLICT (session_id, entry_key) DO UPDATE SET
        revision_told = GREATEST(kept.revision_told, excluded.revision_told),
        (
            part, position, precedence, result, external_id, order_key, display_name, placed_at, revised_at, problem,
            told_at
        ) = (
            SELECT *
            FROM (VALUES
                (kept.part, kept.position, kept.precedence, kept.result, kept.external_id, kept.order_key,
                 kept.display_name, kept.placed_at, kept.revised_at, kept.problem, kept.told_at),
                (excluded.part, excluded.position, excluded.precedence, excluded.result, excluded.external_id,
                 excluded.order_key, excluded.display_name, excluded.placed_at, excluded.revised_at, excluded.problem,
                 excluded.told_at)
            ) AS known (
                part, position, precedence, result, external_id, order_key, display_name, placed_at, revised_at,
                problem, told_at
            )
            ORDER BY precedence DESC, part, position, told_at LIMIT 1
        )
    WHERE
        (excluded.precedence, -excluded.part, -excluded.position, kept.told_at)
        > (kept.precedence, -kept.part, -kept.position, excluded.told_at)
        OR excluded.revision_told > COALESCE(kept.revision_told, '-infinity')
    RETURNING session_id, entry_key, result
),
moved AS (
    SELECT session_id, result, 1 AS by FROM written
    UNION ALL
    SELECT before.session_id, before.result, -1
    FROM session_orders AS before JOIN written USING (session_id, entry_key)
),
sums AS (
    SELECT
        session_id,
        sum(by) AS listed,
        COALESCE(sum(by) FILTER (WHERE result = 'new'), 0) AS new_orders,
        COALESCE(sum(by) FILTER (WHERE result = 'updated'), 0) AS updated_orders,
        COALESCE(sum(by) FILTER (WHERE result = 'existing'), 0) AS existing_orders,
        COALESCE(sum(by) FILTER (WHERE result = 'failed'), 0) AS failed_orders
    FROM moved GROUP BY session_id
)
UPDATE sessions AS kept SET
    listed = kept.listed + sums.listed,
    new_orders = kept.new_orders + sums.new_orders,
    updated_orders = kept.updated_orders + sums.updated_orders,
    existing_orders = kept.existing_orders + sums.existing_orders,
    failed_orders = kept.failed_orders + sums.failed_orders
FROM sums
WHERE kept.session_id = sums.session_id;

-- name: write_orders
-- Merges what is known of orders: milestones by the earliest time, the decision by its number, production by what
-- happened last.
INSERT INTO orders AS kept (
    order_key, seller_id, store_id, platform, external_id, changed_at, imported_at, released_at, shipped_at,
    cancel_asked_at, cancel_refused_at, heard_revised_at, heard_source, heard_display_name, heard_placed_at,
    decision_number, decided_at, cause, outcome, reasons, reason_codes, display_name, placed_at, revised_at, way, test,
    payment, fulfilment, cancelled_on_platform, total_amount, total_currency, cost_amount, cost_currency, items,
    searched, ship_by, at_risk_from, parcels_left, parcels_arrived, parcels_void, judged_revised_at, production_at,
    production_rank, production_event_id, production_state, production_problem
)
SELECT
    order_key, seller_id, store_id, platform, external_id, changed_at, imported_at, released_at, shipped_at,
    cancel_asked_at, cancel_refused_at, heard_revised_at, heard_source, heard_display_name, heard_placed_at,
    decision_number, decided_at, cause, outcome, reasons, reason_codes, display_name, placed_at, revised_at, way, test,
    payment, fulfilment, cancelled_on_platform, total_amount, total_currency, cost_amount, cost_currency, items,
    searched, ship_by, at_risk_from, parcels_left, parcels_arrived, parcels_void, judged_revised_at, production_at,
    production_rank, production_event_id, production_state, production_problem
FROM jsonb_to_recordset($1) AS batch (
    order_key text, seller_id text, store_id text, platform text, external_id text, changed_at timestamptz,
    imported_at timestamptz, released_at timestamptz, shipped_at timestamptz, cancel_asked_at timestamptz,
    cancel_refused_at timestamptz, heard_revised_at timestamptz, heard_source text, heard_display_name text,
    heard_placed_at timestamptz, decision_number integer, decided_at timestamptz, cause text, outcome text,
    reasons jsonb, reason_codes text[], display_name text, placed_at timestamptz, revised_at timestamptz, way text,
    test boolean, payment text, fulfilment text, cancelled_on_platform timestamptz, total_amount bigint,
    total_currency text, cost_amount bigint, cost_currency text, items jsonb, searched text,
    ship_by timestamptz, at_risk_from timestamptz, parcels_left text[], parcels_arrived text[], parcels_void text[],
    judged_revised_at timestamptz, production_at timestamptz, production_rank smallint, production_event_id text,
    production_state text, production_problem text
)
ORDER BY order_key
ON CONFLICT (order_key) DO UPDATE SET
    changed_at = GREATEST(kept.changed_at, excluded.changed_at),
    imported_at = LEAST(kept.imported_at, excluded.imported_at),
    released_at = LEAST(kept.released_at, excluded.released_at),
    shipped_at = LEAST(kept.shipped_at, excluded.shipped_at),
    cancel_asked_at = LEAST(kept.cancel_asked_at, excluded.cancel_asked_at),
    cancel_refused_at = LEAST(kept.cancel_refused_at, excluded.cancel_refused_at),
    judged_revised_at = GREATEST(kept.judged_revised_at, excluded.judged_revised_at),
    parcels_left = ARRAY(
        SELECT DISTINCT id COLLATE "C" FROM unnest(kept.parcels_left || excluded.parcels_left) AS id ORDER BY 1
    ),
    parcels_arrived = ARRAY(
        SELECT DISTINCT id COLLATE "C" FROM unnest(kept.parcels_arrived || excluded.parcels_arrived) AS id ORDER BY 1
    ),
    parcels_void = ARRAY(
        SELECT DISTINCT id COLLATE "C" FROM unnest(kept.parcels_void || excluded.parcels_void) AS id ORDER BY 1
    ),
    (heard_revised_at, heard_source, heard_display_name, heard_placed_at) = (
        SELECT revised_at, source, display_name, placed_at
        FROM (VALUES
            (kept.heard_revised_at, kept.heard_source, kept.heard_display_name, kept.heard_placed_at),
            (excluded.heard_revised_at, excluded.heard_source, excluded.heard_display_name, excluded.heard_placed_at)
        ) AS known (revised_at, source, display_name, placed_at)
        ORDER BY revised_at DESC NULLS LAST, source DESC LIMIT 1
    ),
    (
        decision_number, decided_at, cause, outcome, reasons, reason_codes, display_name, placed_at, revised_at, way,
        test, payment, fulfilment, cancelled_on_platform, total_amount, total_currency, cost_amount, cost_currency,
        items, searched, ship_by, at_risk_from
    ) = (
        SELECT
            number, decided_at, cause, outcome, reasons, reason_codes, display_name, placed_at, revised_at, way, test,
            payment, fulfilment, cancelled, total_amount, total_currency, cost_amount, cost_currency, items, searched,
            ship_by, at_risk_from
        FROM (VALUES
            (kept.decision_number, kept.decided_at, kept.cause, kept.outcome, kept.reasons, kept.reason_codes,
             kept.display_name, kept.placed_at, kept.revised_at, kept.way, kept.test, kept.payment, kept.fulfilment,
             kept.cancelled_on_platform, kept.total_amount, kept.total_currency, kept.cost_amount, kept.cost_currency,
             kept.items, kept.searched, kept.ship_by, kept.at_risk_from),
            (excluded.decision_number, excluded.decided_at, excluded.cause, excluded.outcome, excluded.reasons,
             excluded.reason_codes, excluded.display_name, excluded.placed_at, excluded.revised_at, excluded.way,
             excluded.test, excluded.payment, excluded.fulfilment, excluded.cancelled_on_platform,
             excluded.total_amount, excluded.total_currency, excluded.cost_amount, excluded.cost_currency,
             excluded.items, excluded.searched, excluded.ship_by, excluded.at_risk_from)
        ) AS known (
            number, decided_at, cause, outcome, reasons, reason_codes, display_name, placed_at, revised_at, way, test,
            payment, fulfilment, cancelled, total_amount, total_currency, cost_amount, cost_currency, items, searched,
            ship_by, at_risk_from
        )
        ORDER BY number DESC NULLS LAST LIMIT 1
    ),
    (production_at, production_rank, production_event_id, production_state, production_problem) = (
        SELECT at, rank, event_id, state, problem
        FROM (VALUES
            (kept.production_at, kept.production_rank, kept.production_event_id, kept.production_state,
             kept.production_problem),
            (excluded.production_at, excluded.production_rank, excluded.production_event_id,
             excluded.production_state, excluded.production_problem)
        ) AS known (at, rank, event_id, state, problem)
        ORDER BY at DESC NULLS LAST, rank DESC, event_id DESC LIMIT 1
    );

-- name: write_progress
-- Merges what production told of orders, which is most of what is told; the same rules as in write_orders.
INSERT INTO orders AS kept (
    order_key, seller_id, store_id, platform, external_id, changed_at, shipped_at, cancel_refused_at, parcels_left,
    parcels_arrived, parcels_void, production_at, production_rank, production_event_id, production_state,
    production_problem
)
SELECT
    order_key, seller_id, store_id, platform, external_id, changed_at, shipped_at, cancel_refused_at, parcels_left,
    parcels_arrived, parcels_void, production_at, production_rank, production_event_id, production_state,
    production_problem
FROM jsonb_to_recordset($1) AS batch (
    order_key text, seller_id text, store_id text, platform text, external_id text, changed_at timestamptz,
    shipped_at timestamptz, cancel_refused_at timestamptz, parcels_left text[], parcels_arrived text[],
    parcels_void text[], production_at timestamptz, production_rank smallint,
    production_event_id text, production_state text, production_problem text
)
ORDER BY order_key
ON CONFLICT (order_key) DO UPDATE SET
    changed_at = GREATEST(kept.changed_at, excluded.changed_at),
    shipped_at = LEAST(kept.shipped_at, excluded.shipped_at),
    cancel_refused_at = LEAST(kept.cancel_refused_at, excluded.cancel_refused_at),
    parcels_left = ARRAY(
        SELECT DISTINCT id COLLATE "C" FROM unnest(kept.parcels_left || excluded.parcels_left) AS id ORDER BY 1
    ),
    parcels_arrived = ARRAY(
        SELECT DISTINCT id COLLATE "C" FROM unnest(kept.parcels_arrived || excluded.parcels_arrived) AS id ORDER BY 1
    ),
    parcels_void = ARRAY(
        SELECT DISTINCT id COLLATE "C" FROM unnest(kept.parcels_void || excluded.parcels_void) AS id ORDER BY 1
    ),
    (production_at, production_rank, production_event_id, production_state, production_problem) = (
        SELECT at, rank, event_id, state, problem
        FROM (VALUES
            (kept.production_at, kept.production_rank, kept.production_event_id, kept.production_state,
             kept.production_problem),
            (excluded.production_at, excluded.production_rank, excluded.production_event_id,
             excluded.production_state, excluded.production_problem)
        ) AS known (at, rank, event_id, state, problem)
        ORDER BY at DESC NULLS LAST, rank DESC, event_id DESC LIMIT 1
    );

-- name: write_timeline
-- Puts in what happened; of two messages that tell the same, the earlier stands.
INSERT INTO timeline AS kept (order_key, entry_id, at, source, kind, sequence, data)
SELECT order_key, entry_id, at, source, kind, sequence, data
FROM jsonb_to_recordset($1) AS batch (
    order_key text, entry_id text, at timestamptz, source text, kind text, sequence smallint, data jsonb
)
ORDER BY order_key, entry_id
ON CONFLICT (order_key, entry_id) DO UPDATE
SET at = excluded.at, source = excluded.source, kind = excluded.kind, sequence = excluded.sequence, data = excluded.data
WHERE (excluded.at, excluded.source COLLATE "C") < (kept.at, kept.source COLLATE "C");

-- name: write_parcels
-- Puts in how far each parcel's number is; of what was told of it the highest step stands.
INSERT INTO parcels AS kept (
    push_id, seller_id, store_id, platform, order_key, shipment_id, step, event_id, state, carrier, tracking_number,
    tracking_url, shipped_at, attempts, code, problem, due_at, ship_by, verified_at, changed_at
)
SELECT
    push_id, seller_id, store_id, platform, order_key, shipment_id, step, event_id, state, carrier, tracking_number,
    tracking_url, shipped_at, attempts, code, problem, due_at, ship_by, verified_at, changed_at
FROM jsonb_to_recordset($1) AS batch (
    push_id text, seller_id text, store_id text, platform text, order_key text, shipment_id text, step integer,
    event_id text, state text, carrier text, tracking_number text, tracking_url text, shipped_at timestamptz,
    attempts integer, code text, problem text, due_at timestamptz, ship_by timestamptz, verified_at timestamptz,
    changed_at timestamptz
)
ORDER BY push_id
ON CONFLICT (push_id) DO UPDATE SET
    step = excluded.step,
    event_id = excluded.event_id,
    state = excluded.state,
    carrier = excluded.carrier,
    tracking_number = excluded.tracking_number,
    tracking_url = excluded.tracking_url,
    shipped_at = excluded.shipped_at,
    attempts = excluded.attempts,
    code = excluded.code,
    problem = excluded.problem,
    due_at = excluded.due_at,
    ship_by = excluded.ship_by,
    verified_at = excluded.verified_at,
    changed_at = excluded.changed_at
WHERE (excluded.step, excluded.event_id COLLATE "C") > (kept.step, kept.event_id COLLATE "C");

-- name: write_audits
-- Merges what is known of audits: how each began, its latest step, how it ended.
INSERT INTO audits AS kept (
    audit_id, seller_id, store_id, first_at, changed_at, start_event_id, started_at, platform, scope, by, window_start,
    window_end, started_by, step, step_event_id, listed, held, missing, stale, unknown, fetched, unsettled,
    unsettled_since, found, finish_event_id, finished_at, finished_state, problem
)
SELECT
    audit_id, seller_id, store_id, first_at, changed_at, start_event_id, started_at, platform, scope, by, window_start,
    window_end, started_by, step, step_event_id, listed, held, missing, stale, unknown, fetched, unsettled,
    unsettled_since, found, finish_event_id, finished_at, finished_state, problem
FROM jsonb_to_recordset($1) AS batch (
    audit_id text, seller_id text, store_id text, first_at timestamptz, changed_at timestamptz, start_event_id text,
    started_at timestamptz, platform text, scope text, by text, window_start timestamptz, window_end timestamptz,
    started_by text, step integer, step_event_id text, listed integer, held integer, missing integer, stale integer,
    unknown integer, fetched integer, unsettled integer, unsettled_since timestamptz, found jsonb,
    finish_event_id text, finished_at timestamptz, finished_state text, problem text
)
ORDER BY audit_id
ON CONFLICT (audit_id) DO UPDATE SET
    first_at = LEAST(kept.first_at, excluded.first_at),
    changed_at = GREATEST(kept.changed_at, excluded.changed_at),
    (start_event_id, started_at, platform, scope, by, window_start, window_end, started_by) = (
        SELECT id, at, platform, scope, by, window_start, window_end, started_by
        FROM (VALUES
            (kept.start_event_id, kept.started_at, kept.platform, kept.scope, kept.by, kept.window_start,
             kept.window_end, kept.started_by),
            (excluded.start_event_id, excluded.started_at, excluded.platform, excluded.scope, excluded.by,
             excluded.window_start, excluded.window_end, excluded.started_by)
        ) AS known (id, at, platform, scope, by, window_start, window_end, started_by)
        ORDER BY at NULLS LAST, id LIMIT 1
    ),
    (
        step, step_event_id, listed, held, missing, stale, unknown, fetched, unsettled, unsettled_since, found
    ) = (
        SELECT step, id, listed, held, missing, stale, unknown, fetched, unsettled, unsettled_since, found
        FROM (VALUES
            (kept.step, kept.step_event_id, kept.listed, kept.held, kept.missing, kept.stale, kept.unknown,
             kept.fetched, kept.unsettled, kept.unsettled_since, kept.found),
            (excluded.step, excluded.step_event_id, excluded.listed, excluded.held, excluded.missing, excluded.stale,
             excluded.unknown, excluded.fetched, excluded.unsettled, excluded.unsettled_since, excluded.found)
        ) AS known (
            step, id, listed, held, missing, stale, unknown, fetched, unsettled, unsettled_since, found
        )
        ORDER BY step DESC, id DESC LIMIT 1
    ),
    (finish_event_id, finished_at, finished_state, problem) = (
        SELECT id, at, state, problem
        FROM (VALUES
            (kept.finish_event_id, kept.finished_at, kept.finished_state, kept.problem),
            (excluded.finish_event_id, excluded.finished_at, excluded.finished_state, excluded.problem)
        ) AS known (id, at, state, problem)
        ORDER BY at NULLS LAST, id LIMIT 1
    );

-- name: lock_stores
-- Lets one reader at a time prove windows of these stores, so that of two that brought the halves of a proof the later
-- one sees both. Held until the commit, which is near.
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ':' || store_id, 0))
FROM unnest($1::text[]) AS store_id;

-- name: prove_polls
-- Adds the windows of these stores' polls whose every order was judged by now, at the revision they told or a later one.
-- Orders are judged about as they were listed, so the last ones tell soonest that a long poll is not proven yet.
WITH proven AS (
    UPDATE sessions AS poll SET proven = true
    WHERE
        poll.store_id = ANY ($1::text[])
        AND poll.way = 'poll'
        AND poll.read_through IS NOT NULL
        AND NOT poll.proven
        AND poll.window_start < poll.read_through
        AND (
            SELECT listed.entry_key
            FROM session_orders AS listed
            LEFT JOIN orders AS held ON held.order_key = listed.order_key
            WHERE
                listed.session_id = poll.session_id
                AND listed.revision_told IS NOT NULL
                AND (held.judged_revised_at IS NULL OR held.judged_revised_at < listed.revision_told)
            ORDER BY listed.part DESC, listed.position DESC, listed.entry_key DESC LIMIT 1
        ) IS NULL
    RETURNING poll.store_id, tstzrange(poll.window_start, poll.read_through) AS span
)

INSERT INTO completeness AS kept (store_id, polled, covered)
SELECT store_id, range_agg(span), range_agg(span) FROM proven GROUP BY store_id ORDER BY store_id
ON CONFLICT (store_id) DO UPDATE
SET polled = kept.polled + excluded.polled, covered = kept.covered + excluded.covered;

-- name: prove_audits
-- Adds the windows of these audits by change time that left no difference without its reason.
WITH proven AS (
    UPDATE audits SET proven = true
    WHERE
        audit_id = ANY ($1::text[])
        AND by = 'updated'
        AND finished_state IN ('agreed', 'explained')
        AND NOT proven
        AND window_start < window_end
    RETURNING store_id, tstzrange(window_start, window_end) AS span
)

INSERT INTO completeness AS kept (store_id, polled, covered)
SELECT store_id, '{}', range_agg(span) FROM proven GROUP BY store_id ORDER BY store_id
ON CONFLICT (store_id) DO UPDATE SET covered = kept.covered + excluded.covered;

-- name: tell_change
-- Tells every process, when this transaction commits, what changed for one seller.
SELECT pg_notify($1, $2);
