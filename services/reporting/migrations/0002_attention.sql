-- What alerts are derived from: when an order was told as failed, and ways to the few rows that matter among many.

ALTER TABLE session_orders ADD COLUMN told_at timestamptz;
COMMENT ON COLUMN session_orders.told_at IS 'when its session told it; null in rows older than this column, until a rebuild';

CREATE INDEX session_orders_failed ON session_orders (session_id) WHERE result = 'failed';
CREATE INDEX sessions_with_failures ON sessions (seller_id, listed_at DESC) WHERE failed_orders > 0;
CREATE INDEX sessions_ended ON sessions (store_id, listed_at DESC, session_id DESC)
WHERE way = 'poll' AND finished_state IS NOT NULL;
CREATE INDEX sessions_succeeded ON sessions (store_id, listed_at DESC)
WHERE way = 'poll' AND finished_state = 'succeeded';

-- The columns of the condition change only with a decision, so production's updates need not touch this index.
CREATE INDEX orders_waiting ON orders (seller_id, imported_at) WHERE outcome = 'held' AND released_at IS NULL;
