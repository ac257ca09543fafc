-- The report's tables: projections of Kafka topics, without personal data. Dropping them loses nothing, for
-- `rebuild` makes them again from the topics.

CREATE TABLE positions (
    topic       text NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE positions IS 'how far each partition is in these tables; moves in the transaction of its rows';

CREATE TABLE sellers (
    seller_id  text PRIMARY KEY,
    changed_at timestamptz NOT NULL,
    record     jsonb NOT NULL
);

CREATE TABLE stores (
    store_id   text PRIMARY KEY,
    seller_id  text NOT NULL,
    changed_at timestamptz NOT NULL,
    record     jsonb NOT NULL
);
CREATE INDEX stores_by_seller ON stores (seller_id, store_id);

CREATE TABLE sessions (
    session_id       text PRIMARY KEY,
    seller_id        text NOT NULL,
    store_id         text NOT NULL,
    first_at         timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL,
    start_event_id   text,
    started_at       timestamptz,
    platform         text,
    way              text,
    automatic        boolean,
    started_by       text,
    window_start     timestamptz,
    window_end       timestamptz,
    last_part        integer NOT NULL DEFAULT 0,
    total            integer,
    finish_event_id  text,
    finished_at      timestamptz,
    finished_state   text,
    problem          text,
    listed           integer NOT NULL DEFAULT 0,
    new_orders       integer NOT NULL DEFAULT 0,
    updated_orders   integer NOT NULL DEFAULT 0,
    existing_orders  integer NOT NULL DEFAULT 0,
    failed_orders    integer NOT NULL DEFAULT 0,
    state            text NOT NULL GENERATED ALWAYS AS (COALESCE(finished_state, 'running')) STORED,
    listed_at        timestamptz NOT NULL GENERATED ALWAYS AS (COALESCE(started_at, first_at)) STORED
);
CREATE INDEX sessions_by_time ON sessions (seller_id, listed_at DESC, session_id DESC);
CREATE INDEX sessions_by_store ON sessions (store_id, listed_at DESC);
COMMENT ON COLUMN sessions.listed IS 'how many orders session_orders holds for it; moved in the same statement';

CREATE TABLE session_orders (
    session_id   text NOT NULL,
    entry_key    text NOT NULL,
    part         integer NOT NULL,
    position     integer NOT NULL,
    precedence   smallint NOT NULL,
    result       text NOT NULL,
    external_id  text NOT NULL,
    order_key    text,
    display_name text,
    placed_at    timestamptz,
    revised_at   timestamptz,
    problem      text,
    PRIMARY KEY (session_id, entry_key)
);
CREATE INDEX session_orders_by_place ON session_orders (session_id, part, position, entry_key);

CREATE TABLE orders (
    order_key             text PRIMARY KEY,
    seller_id             text NOT NULL,
    store_id              text NOT NULL,
    platform              text NOT NULL,
    external_id           text NOT NULL,
    changed_at            timestamptz NOT NULL,
    imported_at           timestamptz,
    released_at           timestamptz,
    shipped_at            timestamptz,
    cancel_asked_at       timestamptz,
    cancel_refused_at     timestamptz,
    -- What a sync session told.
    heard_revised_at      timestamptz,
    heard_source          text COLLATE "C",
    heard_display_name    text,
    heard_placed_at       timestamptz,
    -- The valid decision.
    decision_number       integer,
    decided_at            timestamptz,
    cause                 text,
    outcome               text,
    reasons               jsonb,
    reason_codes          text[],
    display_name          text,
    placed_at             timestamptz,
    revised_at            timestamptz,
    way                   text,
    test                  boolean,
    payment               text,
    fulfilment            text,
    cancelled_on_platform timestamptz,
    total_amount          bigint,
    total_currency        text,
    cost_amount           bigint,
    cost_currency         text,
    items                 jsonb,
    searched              text,
    -- Where production stands.
    production_at         timestamptz,
    production_rank       smallint,
    production_event_id   text COLLATE "C",
    production_state      text,
    production_problem    text,
    state                 text NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN shipped_at IS NOT NULL THEN 'shipped'
            WHEN production_state = 'cancelled' THEN 'cancelled'
            WHEN cancel_asked_at IS NOT NULL AND cancel_refused_at IS NULL
                AND production_state IS DISTINCT FROM 'in_production' THEN 'cancelling'
            WHEN production_state IS NOT NULL THEN production_state
            WHEN released_at IS NOT NULL THEN 'released'
            ELSE COALESCE(outcome, 'imported')
        END
    ) STORED,
    listed_at             timestamptz NOT NULL GENERATED ALWAYS AS (
        COALESCE(placed_at, heard_placed_at, imported_at, changed_at)
    ) STORED
);
CREATE INDEX orders_by_time ON orders (seller_id, listed_at DESC, order_key DESC);
CREATE INDEX orders_by_store ON orders (store_id, listed_at DESC);
COMMENT ON COLUMN orders.searched IS 'display name, platform id and SKUs in lower case, for finding a piece of them';

CREATE TABLE timeline (
    order_key text NOT NULL,
    entry_id  text NOT NULL,
    at        timestamptz NOT NULL,
    source    text COLLATE "C" NOT NULL,
    kind      text NOT NULL,
    sequence  smallint NOT NULL,
    data      jsonb NOT NULL,
    PRIMARY KEY (order_key, entry_id)
);
COMMENT ON COLUMN timeline.source IS 'which message told it; of two that tell the same, the earlier stands';
