-- What the migrations beside this file make together; written by `python -m tests.schema_files`, never run.

CREATE SCHEMA reporting;

CREATE TABLE reporting.audits (
    audit_id text NOT NULL,
    seller_id text NOT NULL,
    store_id text NOT NULL,
    first_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    start_event_id text COLLATE pg_catalog."C",
    started_at timestamp with time zone,
    platform text,
    scope text,
    by text,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    started_by text,
    step integer DEFAULT 0 NOT NULL,
    step_event_id text COLLATE pg_catalog."C",
    listed integer DEFAULT 0 NOT NULL,
    held integer DEFAULT 0 NOT NULL,
    missing integer DEFAULT 0 NOT NULL,
    stale integer DEFAULT 0 NOT NULL,
    unknown integer DEFAULT 0 NOT NULL,
    fetched integer DEFAULT 0 NOT NULL,
    unsettled integer DEFAULT 0 NOT NULL,
    unsettled_since timestamp with time zone,
    found jsonb DEFAULT '[]'::jsonb NOT NULL,
    finish_event_id text COLLATE pg_catalog."C",
    finished_at timestamp with time zone,
    finished_state text,
    problem text,
    proven boolean DEFAULT false NOT NULL,
    state text GENERATED ALWAYS AS (COALESCE(finished_state, 'running'::text)) STORED NOT NULL,
    listed_at timestamp with time zone GENERATED ALWAYS AS (COALESCE(started_at, first_at)) STORED NOT NULL
);

COMMENT ON COLUMN reporting.audits.proven IS 'it was about change times and settled every difference, so its window is in completeness';

CREATE TABLE reporting.completeness (
    store_id text NOT NULL,
    polled tstzmultirange NOT NULL,
    covered tstzmultirange NOT NULL
);

COMMENT ON COLUMN reporting.completeness.polled IS 'change times that proven polls read';

COMMENT ON COLUMN reporting.completeness.covered IS 'the same, and those of proven audits; both only ever grow';

CREATE TABLE reporting.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE reporting.orders (
    order_key text NOT NULL,
    seller_id text NOT NULL,
    store_id text NOT NULL,
    platform text NOT NULL,
    external_id text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    imported_at timestamp with time zone,
    released_at timestamp with time zone,
    shipped_at timestamp with time zone,
    cancel_asked_at timestamp with time zone,
    cancel_refused_at timestamp with time zone,
    heard_revised_at timestamp with time zone,
    heard_source text COLLATE pg_catalog."C",
    heard_display_name text,
    heard_placed_at timestamp with time zone,
    decision_number integer,
    decided_at timestamp with time zone,
    cause text,
    outcome text,
    reasons jsonb,
    reason_codes text[],
    display_name text,
    placed_at timestamp with time zone,
    revised_at timestamp with time zone,
    way text,
    test boolean,
    payment text,
    fulfilment text,
    cancelled_on_platform timestamp with time zone,
    total_amount bigint,
    total_currency text,
    cost_amount bigint,
    cost_currency text,
    items jsonb,
    searched text,
    production_at timestamp with time zone,
    production_rank smallint,
    production_event_id text COLLATE pg_catalog."C",
    production_state text,
    production_problem text,
    state text GENERATED ALWAYS AS (
CASE
    WHEN (shipped_at IS NOT NULL) THEN 'shipped'::text
    WHEN (production_state = 'cancelled'::text) THEN 'cancelled'::text
    WHEN ((cancel_asked_at IS NOT NULL) AND (cancel_refused_at IS NULL) AND (production_state IS DISTINCT FROM 'in_production'::text)) THEN 'cancelling'::text
    WHEN (production_state IS NOT NULL) THEN production_state
    WHEN (released_at IS NOT NULL) THEN 'released'::text
    ELSE COALESCE(outcome, 'imported'::text)
END) STORED NOT NULL,
    listed_at timestamp with time zone GENERATED ALWAYS AS (COALESCE(placed_at, heard_placed_at, imported_at, changed_at)) STORED NOT NULL,
    judged_revised_at timestamp with time zone,
    ship_by timestamp with time zone,
    at_risk_from timestamp with time zone,
    parcels_left text[] DEFAULT '{}'::text[] NOT NULL,
    parcels_arrived text[] DEFAULT '{}'::text[] NOT NULL,
    parcels_void text[] DEFAULT '{}'::text[] NOT NULL
);

COMMENT ON COLUMN reporting.orders.searched IS 'display name, platform id and SKUs in lower case, for finding a piece of them';

COMMENT ON COLUMN reporting.orders.judged_revised_at IS 'the latest revision that any decision was about';

COMMENT ON COLUMN reporting.orders.at_risk_from IS 'when little of the time until ship_by is left';

COMMENT ON COLUMN reporting.orders.parcels_left IS 'shipments that left production; a label that stands in the place of another counts, too';

COMMENT ON COLUMN reporting.orders.parcels_void IS 'shipments whose label was given back or replaced';

CREATE TABLE reporting.parcels (
    push_id text NOT NULL,
    seller_id text NOT NULL,
    store_id text NOT NULL,
    platform text NOT NULL,
    order_key text NOT NULL,
    shipment_id text NOT NULL,
    step integer NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL,
    carrier text NOT NULL,
    tracking_number text NOT NULL,
    tracking_url text,
    shipped_at timestamp with time zone NOT NULL,
    attempts integer NOT NULL,
    code text,
    problem text,
    due_at timestamp with time zone,
    ship_by timestamp with time zone,
    verified_at timestamp with time zone,
    changed_at timestamp with time zone NOT NULL
);

COMMENT ON COLUMN reporting.parcels.step IS 'of all that was told of the parcel, the highest step stands';

CREATE TABLE reporting.positions (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL
);

COMMENT ON TABLE reporting.positions IS 'how far each partition is in these tables; moves in the transaction of its rows';

CREATE TABLE reporting.sellers (
    seller_id text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    record jsonb NOT NULL
);

CREATE TABLE reporting.session_orders (
    session_id text NOT NULL,
    entry_key text NOT NULL,
    part integer NOT NULL,
    "position" integer NOT NULL,
    precedence smallint NOT NULL,
    result text NOT NULL,
    external_id text NOT NULL,
    order_key text,
    display_name text,
    placed_at timestamp with time zone,
    revised_at timestamp with time zone,
    problem text,
    told_at timestamp with time zone,
    revision_told timestamp with time zone
);

COMMENT ON COLUMN reporting.session_orders.told_at IS 'when its session told it; null in rows older than this column, until a rebuild';

COMMENT ON COLUMN reporting.session_orders.revision_told IS 'the latest revision that its session told, unless it could not be read';

CREATE TABLE reporting.sessions (
    session_id text NOT NULL,
    seller_id text NOT NULL,
    store_id text NOT NULL,
    first_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    start_event_id text,
    started_at timestamp with time zone,
    platform text,
    way text,
    automatic boolean,
    started_by text,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    last_part integer DEFAULT 0 NOT NULL,
    total integer,
    finish_event_id text,
    finished_at timestamp with time zone,
    finished_state text,
    problem text,
    listed integer DEFAULT 0 NOT NULL,
    new_orders integer DEFAULT 0 NOT NULL,
    updated_orders integer DEFAULT 0 NOT NULL,
    existing_orders integer DEFAULT 0 NOT NULL,
    failed_orders integer DEFAULT 0 NOT NULL,
    state text GENERATED ALWAYS AS (COALESCE(finished_state, 'running'::text)) STORED NOT NULL,
    listed_at timestamp with time zone GENERATED ALWAYS AS (COALESCE(started_at, first_at)) STORED NOT NULL,
    read_through timestamp with time zone,
    healed text,
    next_at timestamp with time zone,
    next_because text,
    proven boolean DEFAULT false NOT NULL
);

COMMENT ON COLUMN reporting.sessions.listed IS 'how many orders session_orders holds for it; moved in the same statement';

COMMENT ON COLUMN reporting.sessions.proven IS 'every order that this poll listed was judged, so its window is in completeness';

CREATE TABLE reporting.stores (
    store_id text NOT NULL,
    seller_id text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    record jsonb NOT NULL
);

CREATE TABLE reporting.timeline (
    order_key text NOT NULL,
    entry_id text NOT NULL,
    at timestamp with time zone NOT NULL,
    source text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    sequence smallint NOT NULL,
    data jsonb NOT NULL
);

COMMENT ON COLUMN reporting.timeline.source IS 'which message told it; of two that tell the same, the earlier stands';

CREATE TABLE reporting.webhook_endpoints (
    endpoint_id text NOT NULL,
    seller_id text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    record jsonb NOT NULL
);

ALTER TABLE ONLY reporting.audits
    ADD CONSTRAINT audits_pkey PRIMARY KEY (audit_id);

ALTER TABLE ONLY reporting.completeness
    ADD CONSTRAINT completeness_pkey PRIMARY KEY (store_id);

ALTER TABLE ONLY reporting.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY reporting.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY reporting.parcels
    ADD CONSTRAINT parcels_pkey PRIMARY KEY (push_id);

ALTER TABLE ONLY reporting.positions
    ADD CONSTRAINT positions_pkey PRIMARY KEY (topic, partition);

ALTER TABLE ONLY reporting.sellers
    ADD CONSTRAINT sellers_pkey PRIMARY KEY (seller_id);

ALTER TABLE ONLY reporting.session_orders
    ADD CONSTRAINT session_orders_pkey PRIMARY KEY (session_id, entry_key);

ALTER TABLE ONLY reporting.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY reporting.stores
    ADD CONSTRAINT stores_pkey PRIMARY KEY (store_id);

ALTER TABLE ONLY reporting.timeline
    ADD CONSTRAINT timeline_pkey PRIMARY KEY (order_key, entry_id);

ALTER TABLE ONLY reporting.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (endpoint_id);

CREATE INDEX audits_by_store ON reporting.audits USING btree (store_id, listed_at DESC, audit_id DESC);

CREATE INDEX audits_by_time ON reporting.audits USING btree (seller_id, listed_at DESC, audit_id DESC);

CREATE INDEX audits_in_doubt ON reporting.audits USING btree (store_id) WHERE (unsettled > 0);

CREATE INDEX orders_by_revision ON reporting.orders USING btree (store_id, judged_revised_at);

CREATE INDEX orders_by_store ON reporting.orders USING btree (store_id, listed_at DESC);

CREATE INDEX orders_by_time ON reporting.orders USING btree (seller_id, listed_at DESC, order_key DESC);

CREATE INDEX orders_unshipped_due ON reporting.orders USING btree (seller_id, at_risk_from) WHERE ((shipped_at IS NULL) AND (at_risk_from IS NOT NULL));

CREATE INDEX orders_waiting ON reporting.orders USING btree (seller_id, imported_at) WHERE ((outcome = 'held'::text) AND (released_at IS NULL));

CREATE INDEX parcels_by_order ON reporting.parcels USING btree (order_key);

CREATE INDEX parcels_by_time ON reporting.parcels USING btree (seller_id, shipped_at DESC, push_id DESC);

CREATE INDEX parcels_open ON reporting.parcels USING btree (seller_id, store_id) WHERE (state = ANY (ARRAY['queued'::text, 'sent'::text, 'refused'::text, 'needs_attention'::text]));

CREATE INDEX session_orders_by_place ON reporting.session_orders USING btree (session_id, part, "position", entry_key);

CREATE INDEX session_orders_failed ON reporting.session_orders USING btree (session_id) WHERE (result = 'failed'::text);

CREATE INDEX sessions_by_store ON reporting.sessions USING btree (store_id, listed_at DESC);

CREATE INDEX sessions_by_time ON reporting.sessions USING btree (seller_id, listed_at DESC, session_id DESC);

CREATE INDEX sessions_ended ON reporting.sessions USING btree (store_id, listed_at DESC, session_id DESC) WHERE ((way = 'poll'::text) AND (finished_state IS NOT NULL));

CREATE INDEX sessions_healed ON reporting.sessions USING btree (store_id, finished_at DESC) WHERE (healed IS NOT NULL);

CREATE INDEX sessions_succeeded ON reporting.sessions USING btree (store_id, listed_at DESC) WHERE ((way = 'poll'::text) AND (finished_state = 'succeeded'::text));

CREATE INDEX sessions_unproven ON reporting.sessions USING btree (store_id, window_start) WHERE ((way = 'poll'::text) AND (read_through IS NOT NULL) AND (NOT proven));

CREATE INDEX sessions_with_failures ON reporting.sessions USING btree (seller_id, listed_at DESC) WHERE (failed_orders > 0);

CREATE INDEX stores_by_seller ON reporting.stores USING btree (seller_id, store_id);

CREATE INDEX webhook_endpoints_disabled ON reporting.webhook_endpoints USING btree (seller_id, endpoint_id) WHERE ((record ->> 'state'::text) = 'disabled'::text);
