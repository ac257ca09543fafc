-- name: insert_audit
-- Keeps a new audit, unless it is there, or the store has a running one of its scope.
INSERT INTO audits (
    audit_id, store_id, seller_id, platform, scope, by, started_by, planned_for, asked,
    window_start, window_end, state, stage, due_at, progressed_at, started_at, finished_at, place_after, listed, counted,
    round, parts, asked_report_at, compared_at, held, missing, stale, unknown, fetched, unsettled, unsettled_since, step,
    failures, waiting, problem, costs, proof
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
    $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37
)
ON CONFLICT DO NOTHING;

-- name: update_audit
-- Replaces what may change of an audit.
UPDATE audits
SET window_start = $2, window_end = $3, state = $4, stage = $5, due_at = $6, progressed_at = $7, started_at = $8,
    finished_at = $9, place_after = $10, listed = $11, counted = $12, round = $13, parts = $14, asked_report_at = $15,
    compared_at = $16, held = $17, missing = $18, stale = $19, unknown = $20, fetched = $21, unsettled = $22,
    unsettled_since = $23, step = $24, failures = $25, waiting = $26, problem = $27, costs = $28,
    proof = $29
WHERE audit_id = $1;

-- name: get_audit
-- One audit.
SELECT * FROM audits WHERE audit_id = $1;

-- name: page_of_audits
-- A seller's audits, of one store ($2) or all (null), the newest first, those older than $3 (null: all); none that is
-- only planned. Ids do not tell which is newer: the report chooses those of what is asked for there.
SELECT * FROM audits
WHERE seller_id = $1 AND ($2::text IS NULL OR store_id = $2)
  AND ($3::text IS NULL OR (planned_for, audit_id) < (SELECT planned_for, audit_id FROM audits WHERE audit_id = $3))
  AND (started_at IS NOT NULL OR scope = 'asked')
ORDER BY planned_for DESC, audit_id DESC
LIMIT $4;

-- name: count_unfinished_audits
-- How many audits that sellers asked for have not ended, of each store.
SELECT store_id, count(*)::int AS unfinished
FROM audits
WHERE state = 'running' AND scope = 'asked' AND store_id = ANY($1::text[])
GROUP BY store_id;

-- name: unplanned_audits
-- Linked stores that sync by themselves and have no running audit of a scope, with when their last one was planned for
-- and, where that one failed, when it ended.
SELECT stores.*, scopes.scope, last.planned_for AS last_planned, last.failed_at
FROM stores CROSS JOIN unnest($2::text[]) AS scopes (scope) LEFT JOIN LATERAL (
    SELECT audits.planned_for, CASE WHEN audits.state = 'failed' THEN audits.finished_at END AS failed_at
    FROM audits WHERE audits.store_id = stores.store_id AND audits.scope = scopes.scope
    ORDER BY audits.planned_for DESC LIMIT 1
) AS last ON true
WHERE stores.state = 'linked' AND stores.auto_sync AND stores.platform = ANY($1::text[])
  AND NOT EXISTS (
      SELECT FROM audits AS planned
      WHERE planned.store_id = stores.store_id AND planned.scope = scopes.scope AND planned.state = 'running'
  )
ORDER BY stores.store_id, scopes.scope
LIMIT $3;

-- name: costs_of_audits
-- What the last audit of each scope took of call budgets, for each linked store.
SELECT last.platform, last.scope, cost.key AS budget, cost.value::double precision AS calls
FROM (
    SELECT DISTINCT ON (audits.store_id, audits.scope) audits.platform, audits.scope, audits.costs
    FROM audits JOIN stores USING (store_id)
    WHERE audits.scope <> 'asked' AND audits.finished_at IS NOT NULL
      AND stores.state = 'linked' AND audits.platform = ANY($1::text[])
    ORDER BY audits.store_id, audits.scope, audits.planned_for DESC
) AS last CROSS JOIN jsonb_each_text(last.costs) AS cost;

-- name: listed_lately
-- How many orders the last list of a store ($1) and scope ($2) held that agreed, begun after $3; none while another audit
-- of the store than $4 is under way, or when one ended since that neither agreed nor has its reasons.
SELECT last.listed
FROM (
    SELECT listed, started_at FROM audits
    WHERE store_id = $1 AND scope = $2 AND audit_id <> $4 AND proof = 'list' AND state = 'agreed' AND started_at >= $3
    ORDER BY started_at DESC
    LIMIT 1
) AS last
WHERE NOT EXISTS (
    SELECT FROM audits AS other
    WHERE other.store_id = $1 AND other.audit_id <> $4 AND other.started_at IS NOT NULL
      AND (other.state = 'running' OR (other.state IN ('differs', 'failed') AND other.finished_at >= last.started_at))
);

-- name: claim_audits
-- Leases audits that are due and free to $1, the longest due first; rows that another process is claiming are passed
-- over.
UPDATE audits
SET lease_owner = $1, lease_number = audits.lease_number + 1, lease_expires_at = $5
FROM (
    SELECT due.audit_id
    FROM audits AS due
    WHERE due.state = 'running' AND due.platform = ANY($2::text[]) AND due.due_at <= $4
      AND COALESCE(due.lease_expires_at, '-infinity') <= $4
    ORDER BY due.due_at, due.audit_id
    LIMIT $3
    FOR UPDATE OF due SKIP LOCKED
) AS chosen
WHERE audits.audit_id = chosen.audit_id
RETURNING audits.*;

-- name: stores_of_audits
-- The stores of audits that were leased.
SELECT * FROM stores WHERE store_id = ANY($1::text[]);

-- name: renew_audit_lease
-- Keeps a lease for longer, if it is still the newest of its audit.
UPDATE audits SET lease_expires_at = GREATEST(lease_expires_at, $4)
WHERE audit_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING audit_id;

-- name: give_back_audit
-- Ends a lease without a result.
UPDATE audits SET lease_owner = NULL, lease_expires_at = NULL, due_at = $4
WHERE audit_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING audit_id;

-- name: drop_audit
-- Forgets an audit that nobody was told of.
DELETE FROM audits WHERE audit_id = $1 AND lease_owner = $2 AND lease_number = $3 RETURNING audit_id;

-- name: hold_audit
-- Locks an audit's row for this transaction, if the lease is still the newest: nobody can take it meanwhile.
SELECT started_at FROM audits WHERE audit_id = $1 AND lease_owner = $2 AND lease_number = $3 FOR UPDATE;

-- name: release_audit
-- Ends whatever lease an audit has, so that its holder can write nothing more.
UPDATE audits SET lease_number = lease_number + 1, lease_owner = NULL, lease_expires_at = NULL WHERE audit_id = $1;

-- name: keep_listed
-- Keeps a part of a platform's list; an order that is listed twice has its later time.
INSERT INTO audit_listed AS held (audit_id, external_id, at)
SELECT $1, listed.external_id, listed.at FROM unnest($2::text[], $3::timestamptz[]) AS listed (external_id, at)
ON CONFLICT (audit_id, external_id) DO UPDATE SET at = excluded.at WHERE held.at < excluded.at;

-- name: listed_orders
-- A platform's list, ascending.
SELECT external_id, at FROM audit_listed WHERE audit_id = $1 ORDER BY at, external_id;

-- name: forget_listed
-- Forgets a list.
DELETE FROM audit_listed WHERE audit_id = $1;

-- name: lock_round
-- The round that an audit waits in for the report, which nobody changes until this transaction ends.
SELECT parts FROM audits
WHERE audit_id = $1 AND round = $2 AND state = 'running' AND stage = 'comparing'
FOR UPDATE;

-- name: keep_answer
-- Keeps an answer of the report, once.
INSERT INTO audit_answers (audit_id, round, part, held, found, counted) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING;

-- name: count_answers
-- How many parts of a round are answered.
SELECT count(*) FROM audit_answers WHERE audit_id = $1 AND round = $2;

-- name: audit_answered
-- Makes an audit due.
UPDATE audits SET due_at = $2 WHERE audit_id = $1;

-- name: answers_of_audit
-- The answers to a round.
SELECT part, held, found, counted FROM audit_answers WHERE audit_id = $1 AND round = $2 ORDER BY part;

-- name: forget_answers
-- Forgets the answers to an audit.
DELETE FROM audit_answers WHERE audit_id = $1;

-- name: keep_differences
-- Keeps what became of differences.
INSERT INTO audit_differences (audit_id, external_id, finding, at, wanted, read_at, explanation, settled)
SELECT $1, changed.*
FROM unnest(
    $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::boolean[]
) AS changed
ON CONFLICT (audit_id, external_id) DO UPDATE
SET finding = excluded.finding, at = excluded.at, wanted = excluded.wanted, read_at = excluded.read_at,
    explanation = excluded.explanation, settled = excluded.settled;

-- name: differences_of_audit
-- All differences of an audit.
SELECT external_id, finding, at, wanted, read_at, explanation, settled
FROM audit_differences WHERE audit_id = $1 ORDER BY external_id;

-- name: remember_explanations
-- Remembers why orders of a store differ for good.
INSERT INTO audit_explanations (store_id, by, external_id, at, explanation, explained_at)
SELECT $1, $2, explained.* FROM unnest($3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[]) AS explained
ON CONFLICT (store_id, by, external_id) DO UPDATE
SET at = excluded.at, explanation = excluded.explanation, explained_at = excluded.explained_at;

-- name: explanations
-- What is known of why these orders differ.
SELECT external_id, at, explanation, explained_at
FROM audit_explanations WHERE store_id = $1 AND by = $2 AND external_id = ANY($3::text[]);

-- name: forget_audits
-- Forgets audits that ended long ago: scheduled ones before $1, those that sellers asked for before $2.
DELETE FROM audits WHERE finished_at < CASE scope WHEN 'asked' THEN $2::timestamptz ELSE $1::timestamptz END;

-- name: forget_explanations
-- Forgets reasons that were found long ago.
DELETE FROM audit_explanations WHERE explained_at < $1;

-- name: open_orders
-- A store's open orders: keys from $1 on, exclusive, and before $2.
SELECT order_key, revised_at, event_id, session_id, open, read_at, ship_by
FROM seen_orders
WHERE open AND order_key COLLATE "C" > $1 AND order_key COLLATE "C" < $2
ORDER BY order_key COLLATE "C"
LIMIT $3;
