-- The trace of an order (W3C traceparent): of the raw order that its valid revision came with, and of each message about it.
ALTER TABLE orders ADD COLUMN trace text;
ALTER TABLE outbox ADD COLUMN trace text;
COMMENT ON COLUMN orders.trace IS 'traceparent of the raw order; null where none was kept';
