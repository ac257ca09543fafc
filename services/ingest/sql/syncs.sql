-- name: insert_sync
-- Keeps a new sync; one that is there stays as it is.
INSERT INTO syncs (
    sync_id, store_id, seller_id, platform, asked_by, asked_at, asked_from, asked_to, zone, by,
    window_start, window_end, reads_from, notes, reaches_back_to,
    state, begun, paused, started_at, finished_at, read_through, part, total, new, updated, existing, failed, outside,
    place_after, place_start, place_end, place_kept_at, due_at, progressed_at, failures, waiting, problem
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37
)
ON CONFLICT (sync_id) DO NOTHING;

-- name: get_sync
-- One sync.
SELECT * FROM syncs WHERE sync_id = $1;

-- name: lock_sync
-- One sync, which nobody else changes until this transaction ends.
SELECT * FROM syncs WHERE sync_id = $1 FOR UPDATE;

-- name: page_of_syncs
-- A seller's syncs, of one store ($2) or all (null), the newest first, those older than $3 (null: all). Ids do not tell
-- which is newer: the report chooses those of what is asked for there.
SELECT * FROM syncs
WHERE seller_id = $1 AND ($2::text IS NULL OR store_id = $2)
  AND ($3::text IS NULL OR (asked_at, sync_id) < (SELECT asked_at, sync_id FROM syncs WHERE sync_id = $3))
ORDER BY asked_at DESC, sync_id DESC
LIMIT $4;

-- name: count_unfinished_syncs
-- How many syncs of each store have not ended.
SELECT store_id, count(*)::int AS unfinished
FROM syncs
WHERE state = 'running' AND store_id = ANY($1::text[])
GROUP BY store_id;

-- name: claim_syncs
-- Leases syncs that are due to $1, the longest due first: of each store the oldest that has not ended and is not paused,
-- while no other of that store is read; rows that another process is claiming are passed over.
UPDATE syncs
SET lease_owner = $1, lease_number = syncs.lease_number + 1, lease_expires_at = $5
FROM (
    SELECT due.sync_id
    FROM syncs AS due
    WHERE due.state = 'running' AND NOT due.paused
      AND due.platform = ANY($2::text[])
      AND due.due_at <= $4
      AND COALESCE(due.lease_expires_at, '-infinity') <= $4
      AND NOT EXISTS (
          SELECT FROM syncs AS other
          WHERE other.store_id = due.store_id AND other.sync_id <> due.sync_id AND other.state = 'running'
            AND (
                (other.sync_id < due.sync_id AND NOT other.paused)
                OR COALESCE(other.lease_expires_at, '-infinity') > $4
            )
      )
    ORDER BY due.due_at
    LIMIT $3
    FOR UPDATE OF due SKIP LOCKED
) AS chosen
WHERE syncs.sync_id = chosen.sync_id
RETURNING syncs.*;

-- name: stores_of_syncs
-- The stores of syncs that were leased.
SELECT * FROM stores WHERE store_id = ANY($1::text[]);

-- name: renew_sync_lease
-- Keeps a lease for longer, if it is still the newest of its sync.
UPDATE syncs SET lease_expires_at = GREATEST(lease_expires_at, $4)
WHERE sync_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING sync_id;

-- name: give_back_sync
-- Ends a lease without a result.
UPDATE syncs SET lease_owner = NULL, lease_expires_at = NULL, due_at = $4
WHERE sync_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING sync_id;

-- name: hold_sync
-- Locks a sync's row for this transaction, if the lease is still the newest: nobody can take it meanwhile.
SELECT begun FROM syncs WHERE sync_id = $1 AND lease_owner = $2 AND lease_number = $3 FOR UPDATE;

-- name: update_sync
-- Replaces what may change of a sync.
UPDATE syncs
SET state = $2, begun = $3, paused = $4, started_at = $5, finished_at = $6, read_through = $7, part = $8, total = $9,
    new = $10, updated = $11, existing = $12, failed = $13, outside = $14, place_after = $15, place_start = $16,
    place_end = $17, place_kept_at = $18, due_at = $19, progressed_at = $20, failures = $21, waiting = $22,
    problem = $23
WHERE sync_id = $1;

-- name: release_sync
-- Ends whatever lease a sync has, so that its holder can write nothing more.
UPDATE syncs SET lease_number = lease_number + 1, lease_owner = NULL, lease_expires_at = NULL WHERE sync_id = $1;

-- name: forget_syncs
-- Forgets syncs that ended long ago.
DELETE FROM syncs WHERE finished_at < $1;
