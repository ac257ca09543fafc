-- What the migrations beside this file make together; written by `python -m tests.schema_files`, never run.

CREATE SCHEMA access;

CREATE TABLE access.api_keys (
    key_id text NOT NULL,
    digest bytea NOT NULL,
    seller_id text NOT NULL,
    scopes text[] NOT NULL,
    label text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);

COMMENT ON COLUMN access.api_keys.digest IS 'SHA-256 of the whole key; the key itself is stored nowhere';

CREATE TABLE access.idempotent_writes (
    owner text NOT NULL,
    idempotency_key text NOT NULL,
    request_digest bytea NOT NULL,
    started_at timestamp with time zone NOT NULL,
    status integer,
    answer bytea
);

COMMENT ON COLUMN access.idempotent_writes.owner IS 'the seller, and the service that was asked';

COMMENT ON COLUMN access.idempotent_writes.status IS 'null while the write is in flight';

COMMENT ON COLUMN access.idempotent_writes.answer IS 'content type and body, sealed: an answer may hold personal data';

CREATE TABLE access.limits (
    name text NOT NULL,
    capacity double precision NOT NULL,
    rate double precision NOT NULL,
    available double precision NOT NULL,
    counted_at timestamp with time zone NOT NULL,
    closed_until timestamp with time zone,
    CONSTRAINT limits_capacity_check CHECK ((capacity > (0)::double precision)),
    CONSTRAINT limits_rate_check CHECK ((rate > (0)::double precision))
)
WITH (fillfactor='50');

COMMENT ON COLUMN access.limits.rate IS 'what comes back each second, up to the capacity';

COMMENT ON COLUMN access.limits.available IS 'what was there at counted_at; below zero: promised to those who wait already';

CREATE TABLE access.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY access.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (key_id);

ALTER TABLE ONLY access.idempotent_writes
    ADD CONSTRAINT idempotent_writes_pkey PRIMARY KEY (owner, idempotency_key);

ALTER TABLE ONLY access.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (name);

ALTER TABLE ONLY access.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);

CREATE INDEX api_keys_by_seller ON access.api_keys USING btree (seller_id);

CREATE INDEX idempotent_writes_by_start ON access.idempotent_writes USING btree (started_at);
