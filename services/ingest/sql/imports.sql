-- name: keep_import_piece
-- Keeps a piece of a file.
INSERT INTO import_pieces (import_id, number, sealed, kept_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (import_id, number) DO UPDATE SET sealed = excluded.sealed;

-- name: import_piece
-- A piece of a file.
SELECT sealed FROM import_pieces WHERE import_id = $1 AND number = $2;

-- name: drop_import_pieces
-- Forgets a file.
DELETE FROM import_pieces WHERE import_id = $1;

-- name: insert_import
-- Keeps a new import; repeating it changes nothing.
INSERT INTO imports (import_id, store_id, seller_id, platform, asked_at, digest, state, started_at, due_at, held)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (import_id) DO NOTHING;

-- name: import_of_same_file
-- The newest import of a file into a store that was started.
SELECT import_id FROM imports
WHERE store_id = $1 AND digest = $2 AND started_at IS NOT NULL
ORDER BY import_id DESC
LIMIT 1;

-- name: get_import
-- One import.
SELECT held FROM imports WHERE import_id = $1;

-- name: lock_import
-- One import, which nobody else changes until this transaction ends.
SELECT held FROM imports WHERE import_id = $1 FOR UPDATE;

-- name: page_of_imports
-- A seller's imports, into one store ($2) or all (null), the newest first, those older than $3 (null: all).
SELECT held FROM imports
WHERE seller_id = $1 AND ($2::text IS NULL OR store_id = $2) AND ($3::text IS NULL OR import_id < $3)
ORDER BY import_id DESC
LIMIT $4;

-- name: count_unfinished_imports
-- How many imports into a store have not ended.
SELECT count(*)::int FROM imports WHERE store_id = $1 AND state IN ('checking', 'ready', 'running');

-- name: import_problems
-- What is wrong with the rows of an import, after a place.
SELECT order_place, number, reference, row_number, header, problem, remedy, while_checking
FROM import_problems
WHERE import_id = $1 AND (order_place, number) > ($2, $3)
ORDER BY order_place, number
LIMIT $4;

-- name: faulty_orders_of_import
-- The orders with problems after a place, each with all that is wrong with it in one text.
SELECT order_place,
       string_agg('Row ' || row_number || COALESCE(', ' || header, '') || ': ' || problem || '. ' || remedy, ' '
                  ORDER BY number) AS reason
FROM import_problems
WHERE import_id = $1 AND order_place > $2
GROUP BY order_place
ORDER BY order_place
LIMIT $3;

-- name: refused_orders_of_import
-- The orders from one place until another, exclusive, that have problems which were met when they were given.
SELECT DISTINCT order_place FROM import_problems
WHERE import_id = $1 AND order_place >= $2 AND order_place < $3 AND NOT while_checking;

-- name: claim_imports
-- Leases imports with work to do to $1, the longest due first: of each store the oldest, while no other of that store is
-- worked on; rows that another process is claiming are passed over.
UPDATE imports
SET lease_owner = $1, lease_number = imports.lease_number + 1, lease_expires_at = $5
FROM (
    SELECT due.import_id
    FROM imports AS due
    WHERE due.state IN ('checking', 'running')
      AND due.platform = ANY($2::text[])
      AND due.due_at <= $4
      AND COALESCE(due.lease_expires_at, '-infinity') <= $4
      AND NOT EXISTS (
          SELECT FROM imports AS other
          WHERE other.store_id = due.store_id AND other.import_id <> due.import_id
            AND other.state IN ('checking', 'running')
            AND (other.import_id < due.import_id OR COALESCE(other.lease_expires_at, '-infinity') > $4)
      )
    ORDER BY due.due_at, due.import_id
    LIMIT $3
    FOR UPDATE OF due SKIP LOCKED
) AS chosen
WHERE imports.import_id = chosen.import_id
RETURNING imports.held, imports.store_id, imports.lease_number;

-- name: stores_of_imports
-- The stores of imports that were leased.
SELECT * FROM stores WHERE store_id = ANY($1::text[]);

-- name: renew_import_lease
-- Keeps a lease for longer, if it is still the newest of its import.
UPDATE imports SET lease_expires_at = GREATEST(lease_expires_at, $4)
WHERE import_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING import_id;

-- name: give_back_import
-- Ends a lease without a result.
UPDATE imports SET lease_owner = NULL, lease_expires_at = NULL, due_at = $4
WHERE import_id = $1 AND lease_owner = $2 AND lease_number = $3
RETURNING import_id;

-- name: hold_import
-- Locks an import's row for this transaction, if the lease is still the newest: nobody can take it meanwhile.
SELECT held FROM imports WHERE import_id = $1 AND lease_owner = $2 AND lease_number = $3 FOR UPDATE;

-- name: update_import
-- Replaces what may change of an import.
UPDATE imports SET state = $2, started_at = $3, due_at = $4, held = $5 WHERE import_id = $1;

-- name: release_import
-- Ends whatever lease an import has, so that its holder can write nothing more.
UPDATE imports SET lease_number = lease_number + 1, lease_owner = NULL, lease_expires_at = NULL WHERE import_id = $1;

-- name: keep_import_problems
-- Keeps what is wrong with some orders of an import, numbered within each order.
INSERT INTO import_problems (
    import_id, order_place, number, reference, row_number, header, problem, remedy, while_checking
)
SELECT $1, place, row_number() OVER (PARTITION BY place ORDER BY ordinality), reference, row_of, header, problem, remedy,
       while_checking
FROM unnest($2::int[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::boolean[])
     WITH ORDINALITY AS given (place, reference, row_of, header, problem, remedy, while_checking, ordinality)
ON CONFLICT (import_id, order_place, number) DO UPDATE
SET row_number = excluded.row_number, header = excluded.header, problem = excluded.problem, remedy = excluded.remedy,
    while_checking = excluded.while_checking;

-- name: drop_import_problems
-- Forgets what was wrong with some orders of an import.
DELETE FROM import_problems WHERE import_id = $1 AND order_place = ANY($2::int[]);

-- name: forget_import_pieces
-- Forgets files that came long ago.
DELETE FROM import_pieces WHERE kept_at < $1;

-- name: forget_imports
-- Forgets imports that came long ago and have no work to do.
DELETE FROM imports WHERE asked_at < $1 AND state NOT IN ('checking', 'running');
