-- When stores' webhooks came, when they were looked at, and what had to be mended of them.

CREATE TABLE webhook_health (
    store_id   text PRIMARY KEY REFERENCES stores ON DELETE CASCADE,
    heard_at   timestamptz,
    refused_at timestamptz,
    checked_at timestamptz,
    doubted_at timestamptz,
    fruitless  integer NOT NULL DEFAULT 0,
    awaited_at timestamptz,
    healing    jsonb
) WITH (fillfactor = 80);
COMMENT ON COLUMN webhook_health.heard_at IS 'the last genuine webhook that told of an order';
COMMENT ON COLUMN webhook_health.refused_at IS 'a delivery that did not verify, at most one in some minutes';
COMMENT ON COLUMN webhook_health.doubted_at IS 'the last look for silence or for what webhooks missed';
COMMENT ON COLUMN webhook_health.fruitless IS 'how many such looks in a row found nothing to mend';
COMMENT ON COLUMN webhook_health.awaited_at IS 'when a poll found a change that no webhook had told';
COMMENT ON COLUMN webhook_health.healing IS 'what was mended last, as services.ingest.webhook_ports.Healing';
