-- API keys, and the answers that repeated writes get again. One key works at every service, so all of them read this.

CREATE TABLE api_keys (
    key_id       text PRIMARY KEY,
    digest       bytea NOT NULL,
    seller_id    text NOT NULL,
    scopes       text[] NOT NULL,
    label        text NOT NULL,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_keys_by_seller ON api_keys (seller_id);
COMMENT ON COLUMN api_keys.digest IS 'SHA-256 of the whole key; the key itself is stored nowhere';

CREATE TABLE idempotent_writes (
    owner           text NOT NULL,
    idempotency_key text NOT NULL,
    request_digest  bytea NOT NULL,
    started_at      timestamptz NOT NULL,
    status          integer,
    answer          bytea,
    PRIMARY KEY (owner, idempotency_key)
);
CREATE INDEX idempotent_writes_by_start ON idempotent_writes (started_at);
COMMENT ON COLUMN idempotent_writes.owner IS 'the seller, and the service that was asked';
COMMENT ON COLUMN idempotent_writes.status IS 'null while the write is in flight';
COMMENT ON COLUMN idempotent_writes.answer IS 'content type and body, sealed: an answer may hold personal data';
