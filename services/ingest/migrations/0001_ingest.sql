-- Stores, the secrets that open them, their polls and sessions, the orders seen, and what is still to be told.

CREATE TABLE stores (
    store_id      text PRIMARY KEY,
    seller_id     text NOT NULL,
    platform      text NOT NULL,
    external_id   text,
    name          text NOT NULL,
    currency      text,
    time_zone     text,
    state         text NOT NULL CHECK (state IN ('pending', 'linked', 'reconnect', 'unlinked')),
    problem       text,
    push_problem  text,
    auto_sync     boolean NOT NULL,
    paid_only     boolean NOT NULL,
    subscriptions text[] NOT NULL,
    subscribed_to text,
    subscribed_at timestamptz,
    import_since  timestamptz NOT NULL,
    linked_at     timestamptz,
    created_at    timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX stores_by_external_id ON stores (seller_id, platform, external_id);
CREATE INDEX stores_by_seller ON stores (seller_id, store_id);
COMMENT ON COLUMN stores.external_id IS 'the platform''s own id; null until linked for the first time';

CREATE TABLE store_secrets (
    store_id text PRIMARY KEY REFERENCES stores ON DELETE CASCADE,
    sealed   bytea NOT NULL
);
COMMENT ON TABLE store_secrets IS 'apart from stores, so that the row can be locked while a token is renewed';

CREATE TABLE authorizations (
    state_digest bytea PRIMARY KEY,
    store_id     text NOT NULL REFERENCES stores ON DELETE CASCADE,
    platform     text NOT NULL,
    memory       bytea NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX authorizations_by_store ON authorizations (store_id);
COMMENT ON COLUMN authorizations.memory IS 'sealed: what the platform''s connector must remember until the seller is back';

CREATE TABLE polls (
    store_id         text PRIMARY KEY REFERENCES stores ON DELETE CASCADE,
    cursor           timestamptz,
    next_poll_at     timestamptz,
    asked_at         timestamptz,
    last_poll_at     timestamptz,
    failures         integer NOT NULL DEFAULT 0,
    lease_owner      text,
    lease_number     bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    claimed_at       timestamptz
);
COMMENT ON COLUMN polls.cursor IS 'everything changed before it is in Kafka';
COMMENT ON COLUMN polls.next_poll_at IS 'null: at once';
COMMENT ON COLUMN polls.lease_number IS 'rises with each lease, so that a holder who lost it can write nothing';

CREATE TABLE sessions (
    session_id   text PRIMARY KEY,
    store_id     text NOT NULL REFERENCES stores ON DELETE CASCADE,
    seller_id    text NOT NULL,
    platform     text NOT NULL,
    way          text NOT NULL,
    started_by   text NOT NULL,
    state        text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end   timestamptz NOT NULL,
    read_through timestamptz NOT NULL,
    part         integer NOT NULL,
    total        integer,
    new          integer NOT NULL,
    updated      integer NOT NULL,
    existing     integer NOT NULL,
    failed       integer NOT NULL,
    started_at   timestamptz NOT NULL,
    finished_at  timestamptz,
    problem      text
);
CREATE UNIQUE INDEX sessions_one_poll_a_store ON sessions (store_id) WHERE way = 'poll' AND state = 'running';
CREATE INDEX sessions_running ON sessions (way, window_end) WHERE state = 'running';
CREATE INDEX sessions_finished ON sessions (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE seen_orders (
    order_key     text PRIMARY KEY,
    revised_at    timestamptz NOT NULL,
    event_id      text NOT NULL,
    session_id    text,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
COMMENT ON TABLE seen_orders IS 'revisions that Kafka acknowledged; without personal data';

CREATE TABLE outbox (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key   text NOT NULL,
    value bytea NOT NULL
);
COMMENT ON TABLE outbox IS 'told to Kafka in order of id, then deleted; without personal data';
