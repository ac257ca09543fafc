-- name: forget_copies
-- Removes what a rebuild that was broken off left behind.
DROP SCHEMA IF EXISTS reporting_next CASCADE;
DROP SCHEMA IF EXISTS reporting_old CASCADE;

-- name: hold_positions
-- Stops every projector after the batch it is writing, until the exchange is committed.
LOCK TABLE reporting.positions IN ACCESS EXCLUSIVE MODE;

-- name: held_positions
-- How far the tables in use are.
SELECT topic, partition, next_offset FROM reporting.positions;

-- name: exchange_schemas
-- Puts the new tables where the old ones were; open connections find them by name.
ALTER SCHEMA reporting RENAME TO reporting_old;
ALTER SCHEMA reporting_next RENAME TO reporting;
DROP SCHEMA reporting_old CASCADE;

-- name: tell_anything
-- Tells every process that anything may have changed.
SELECT pg_notify($1, '{"id": "", "seller_id": "", "sessions": [], "orders": [], "complete": false}');
