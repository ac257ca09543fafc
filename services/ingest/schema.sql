-- What the migrations beside this file make together; written by `python -m tests.schema_files`, never run.

CREATE SCHEMA ingest;

CREATE TABLE ingest.audit_answers (
    audit_id text NOT NULL,
    round integer NOT NULL,
    part integer NOT NULL,
    held integer NOT NULL,
    found jsonb NOT NULL,
    counted jsonb
);

COMMENT ON COLUMN ingest.audit_answers.counted IS 'of a count: whether the report has as many, and when the newest changed';

CREATE TABLE ingest.audit_differences (
    audit_id text NOT NULL,
    external_id text NOT NULL,
    finding text NOT NULL,
    at timestamp with time zone NOT NULL,
    wanted timestamp with time zone,
    read_at timestamp with time zone,
    explanation text,
    settled boolean NOT NULL
);

CREATE TABLE ingest.audit_explanations (
    store_id text NOT NULL,
    by text NOT NULL,
    external_id text NOT NULL,
    at timestamp with time zone NOT NULL,
    explanation text NOT NULL,
    explained_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE ingest.audit_explanations IS 'why orders differ for good, so that later audits need not read them again';

CREATE TABLE ingest.audit_listed (
    audit_id text NOT NULL,
    external_id text NOT NULL,
    at timestamp with time zone NOT NULL
);

COMMENT ON TABLE ingest.audit_listed IS 'the platform''s list, until the report is asked to compare it';

CREATE TABLE ingest.audits (
    audit_id text NOT NULL,
    store_id text NOT NULL,
    seller_id text NOT NULL,
    platform text NOT NULL,
    scope text NOT NULL,
    by text NOT NULL,
    started_by text NOT NULL,
    planned_for timestamp with time zone NOT NULL,
    asked jsonb,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    state text NOT NULL,
    stage text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    progressed_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    place_after text,
    listed integer NOT NULL,
    counted integer,
    round integer NOT NULL,
    parts integer NOT NULL,
    asked_report_at timestamp with time zone,
    compared_at timestamp with time zone,
    held integer NOT NULL,
    missing integer NOT NULL,
    stale integer NOT NULL,
    unknown integer NOT NULL,
    fetched integer NOT NULL,
    unsettled integer NOT NULL,
    unsettled_since timestamp with time zone,
    step integer NOT NULL,
    failures integer NOT NULL,
    waiting text,
    problem text,
    costs jsonb NOT NULL,
    lease_owner text,
    lease_number bigint DEFAULT 0 NOT NULL,
    lease_expires_at timestamp with time zone,
    proof text DEFAULT 'list'::text NOT NULL,
    CONSTRAINT audits_by_check CHECK ((by = ANY (ARRAY['created'::text, 'updated'::text]))),
    CONSTRAINT audits_proof_check CHECK ((proof = ANY (ARRAY['list'::text, 'count'::text]))),
    CONSTRAINT audits_scope_check CHECK ((scope = ANY (ARRAY['day'::text, 'week'::text, 'open'::text, 'asked'::text]))),
    CONSTRAINT audits_stage_check CHECK ((stage = ANY (ARRAY['listing'::text, 'listed'::text, 'comparing'::text, 'fetching'::text, 'asking'::text]))),
    CONSTRAINT audits_state_check CHECK ((state = ANY (ARRAY['running'::text, 'agreed'::text, 'explained'::text, 'differs'::text, 'failed'::text])))
);

COMMENT ON COLUMN ingest.audits.audit_id IS 'rises with time';

COMMENT ON COLUMN ingest.audits.asked IS 'what a seller asked for, in their own words';

COMMENT ON COLUMN ingest.audits.place_after IS 'the platform''s cursor; of open orders, the id read last';

COMMENT ON COLUMN ingest.audits.counted IS 'the platform''s own count';

COMMENT ON COLUMN ingest.audits.costs IS 'what it took of each call budget';

COMMENT ON COLUMN ingest.audits.proof IS 'what the report is compared with: the platform''s list, or its counts alone';

CREATE TABLE ingest.authorizations (
    state_digest bytea NOT NULL,
    store_id text NOT NULL,
    platform text NOT NULL,
    memory bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

COMMENT ON COLUMN ingest.authorizations.memory IS 'sealed: what the platform''s connector must remember until the seller is back';

CREATE TABLE ingest.drafts (
    seller_id text NOT NULL,
    draft_id text NOT NULL,
    store_id text,
    order_keys text[] NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    sealed bytea NOT NULL
);

ALTER TABLE ONLY ingest.drafts ALTER COLUMN sealed SET STORAGE EXTERNAL;

COMMENT ON TABLE ingest.drafts IS 'few: at most a hundred a seller, for at most 90 days';

COMMENT ON COLUMN ingest.drafts.order_keys IS 'of the order that it would become, and of the one it was copied from';

COMMENT ON COLUMN ingest.drafts.sealed IS 'what was typed';

CREATE TABLE ingest.given_orders (
    order_key text NOT NULL,
    store_id text NOT NULL,
    reference text NOT NULL,
    content text NOT NULL,
    revision integer NOT NULL,
    state text NOT NULL,
    test boolean NOT NULL,
    given_at timestamp with time zone NOT NULL,
    revised_at timestamp with time zone NOT NULL,
    kept text NOT NULL,
    CONSTRAINT given_orders_state_check CHECK ((state = ANY (ARRAY['given'::text, 'cancelled'::text])))
)
WITH (fillfactor='80');

COMMENT ON TABLE ingest.given_orders IS 'without personal data; a row may be there before Kafka has the order';

COMMENT ON COLUMN ingest.given_orders.content IS 'what identifies the content as it was given, buyer included';

COMMENT ON COLUMN ingest.given_orders.kept IS 'the raw order without its buyer: what a cancellation is told with';

CREATE TABLE ingest.import_pieces (
    import_id text NOT NULL,
    number integer NOT NULL,
    sealed bytea NOT NULL,
    kept_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY ingest.import_pieces ALTER COLUMN sealed SET STORAGE EXTERNAL;

COMMENT ON TABLE ingest.import_pieces IS 'files as they came, sealed; they hold personal data and are kept for days. A piece may be there before its import';

CREATE TABLE ingest.import_problems (
    import_id text NOT NULL,
    order_place integer NOT NULL,
    number integer NOT NULL,
    reference text NOT NULL,
    row_number integer NOT NULL,
    header text,
    problem text NOT NULL,
    remedy text NOT NULL,
    while_checking boolean NOT NULL
);

COMMENT ON TABLE ingest.import_problems IS 'without what stood in the cells';

COMMENT ON COLUMN ingest.import_problems.order_place IS 'the order''s place in the file, from 0';

CREATE TABLE ingest.imports (
    import_id text NOT NULL,
    store_id text NOT NULL,
    seller_id text NOT NULL,
    platform text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    digest text NOT NULL,
    state text NOT NULL,
    started_at timestamp with time zone,
    due_at timestamp with time zone NOT NULL,
    held jsonb NOT NULL,
    lease_owner text,
    lease_number bigint DEFAULT 0 NOT NULL,
    lease_expires_at timestamp with time zone,
    CONSTRAINT imports_state_check CHECK ((state = ANY (ARRAY['checking'::text, 'ready'::text, 'running'::text, 'succeeded'::text, 'partial'::text, 'failed'::text, 'cancelled'::text])))
);

COMMENT ON COLUMN ingest.imports.import_id IS 'rises with time; also the id of its session';

COMMENT ON COLUMN ingest.imports.digest IS 'the SHA-256 of the file';

COMMENT ON COLUMN ingest.imports.held IS 'all of it, the columns above included, as ingest''s Import';

CREATE TABLE ingest.look_stores (
    store_id text NOT NULL,
    platform text NOT NULL,
    due_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    lease_owner text,
    lease_number bigint DEFAULT 0 NOT NULL,
    lease_expires_at timestamp with time zone
)
WITH (fillfactor='70');

COMMENT ON TABLE ingest.look_stores IS 'stores that were asked about: only one process looks at a store''s orders at a time';

COMMENT ON COLUMN ingest.look_stores.due_at IS 'when there is something to read; null: nothing is asked';

COMMENT ON COLUMN ingest.look_stores.failures IS 'how often in a row the platform did not answer';

CREATE TABLE ingest.looks (
    order_key text NOT NULL,
    store_id text NOT NULL,
    look_id text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    held jsonb NOT NULL
);

COMMENT ON COLUMN ingest.looks.held IS 'all of it, the columns above included, as schemas.looks.LookWanted; no personal data';

CREATE TABLE ingest.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE ingest.outbox (
    id bigint NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    value bytea NOT NULL
);

COMMENT ON TABLE ingest.outbox IS 'told to Kafka in order of id, then deleted; without personal data';

ALTER TABLE ingest.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ingest.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ingest.outgoing_deliveries (
    delivery_id text NOT NULL,
    endpoint_id text NOT NULL,
    type text NOT NULL,
    body text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL,
    status integer,
    problem text,
    ended_at timestamp with time zone,
    CONSTRAINT outgoing_deliveries_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'delivered'::text, 'failed'::text])))
)
WITH (fillfactor='80');

COMMENT ON TABLE ingest.outgoing_deliveries IS 'without personal data';

CREATE TABLE ingest.outgoing_endpoints (
    endpoint_id text NOT NULL,
    seller_id text NOT NULL,
    url text NOT NULL,
    types text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    secret bytea NOT NULL,
    state text NOT NULL,
    problem text,
    failing_since timestamp with time zone,
    CONSTRAINT outgoing_endpoints_state_check CHECK ((state = ANY (ARRAY['enabled'::text, 'disabled'::text])))
);

COMMENT ON COLUMN ingest.outgoing_endpoints.secret IS 'sealed';

CREATE TABLE ingest.poll_costs (
    budget text NOT NULL,
    store_id text NOT NULL,
    cost double precision NOT NULL
);

COMMENT ON TABLE ingest.poll_costs IS 'what one poll of a store takes of a call budget, by the name in access.limits';

CREATE TABLE ingest.polls (
    store_id text NOT NULL,
    cursor timestamp with time zone,
    next_poll_at timestamp with time zone,
    asked_at timestamp with time zone,
    last_poll_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    lease_owner text,
    lease_number bigint DEFAULT 0 NOT NULL,
    lease_expires_at timestamp with time zone,
    claimed_at timestamp with time zone,
    asked_by text,
    next_because text,
    rest_seconds double precision DEFAULT 0 NOT NULL,
    activity double precision
);

COMMENT ON COLUMN ingest.polls.cursor IS 'everything changed before it is in Kafka';

COMMENT ON COLUMN ingest.polls.next_poll_at IS 'null: at once';

COMMENT ON COLUMN ingest.polls.lease_number IS 'rises with each lease, so that a holder who lost it can write nothing';

COMMENT ON COLUMN ingest.polls.asked_by IS 'the API key that asked for a poll';

COMMENT ON COLUMN ingest.polls.next_because IS 'why at next_poll_at, for the seller';

COMMENT ON COLUMN ingest.polls.rest_seconds IS 'how long the store was to rest after its last poll';

COMMENT ON COLUMN ingest.polls.activity IS 'changed orders per hour; null: not known yet';

CREATE TABLE ingest.push_blocks (
    store_id text NOT NULL,
    code text NOT NULL,
    problem text NOT NULL,
    grants integer NOT NULL,
    probe_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE ingest.push_blocks IS 'stores whose platform takes no parcel at all until the seller did something';

COMMENT ON COLUMN ingest.push_blocks.probe_at IS 'when one parcel tries again whether it does';

CREATE TABLE ingest.push_orders (
    order_key text NOT NULL,
    store_id text NOT NULL,
    platform text NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    ship_by timestamp with time zone,
    due_at timestamp with time zone,
    after_grant integer,
    lease_owner text,
    lease_number bigint DEFAULT 0 NOT NULL,
    lease_expires_at timestamp with time zone
)
WITH (fillfactor='70');

COMMENT ON TABLE ingest.push_orders IS 'orders with parcels: only one process tells a platform of an order''s parcels at a time';

COMMENT ON COLUMN ingest.push_orders.due_at IS 'when the first of its pushes has something to do; null: none has';

COMMENT ON COLUMN ingest.push_orders.after_grant IS 'due once the store was granted access more often than this';

CREATE TABLE ingest.pushes (
    push_id text NOT NULL,
    order_key text NOT NULL,
    store_id text NOT NULL,
    seller_id text NOT NULL,
    state text NOT NULL,
    code text,
    created_at timestamp with time zone NOT NULL,
    held jsonb NOT NULL,
    CONSTRAINT pushes_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sent'::text, 'accepted'::text, 'verified'::text, 'refused'::text, 'needs_attention'::text, 'off'::text])))
)
WITH (fillfactor='70');

COMMENT ON TABLE ingest.pushes IS 'one row a parcel; tracking numbers, no personal data';

COMMENT ON COLUMN ingest.pushes.held IS 'all of it, the columns above included, as ingest''s Push';

CREATE TABLE ingest.seen_orders (
    order_key text NOT NULL,
    revised_at timestamp with time zone NOT NULL,
    event_id text NOT NULL,
    session_id text,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    open boolean DEFAULT true NOT NULL,
    read_at timestamp with time zone,
    ship_by timestamp with time zone
)
WITH (fillfactor='80');

COMMENT ON TABLE ingest.seen_orders IS 'revisions that Kafka acknowledged; without personal data';

COMMENT ON COLUMN ingest.seen_orders.open IS 'more is to be expected of the order: it is not shipped, cancelled, paid back or gone';

COMMENT ON COLUMN ingest.seen_orders.read_at IS 'when the revision was read';

COMMENT ON COLUMN ingest.seen_orders.ship_by IS 'until when the platform wants the order shipped; a form that does not tell it keeps it';

CREATE TABLE ingest.sessions (
    session_id text NOT NULL,
    store_id text NOT NULL,
    seller_id text NOT NULL,
    platform text NOT NULL,
    way text NOT NULL,
    started_by text NOT NULL,
    state text NOT NULL,
    window_start timestamp with time zone NOT NULL,
    window_end timestamp with time zone NOT NULL,
    read_through timestamp with time zone NOT NULL,
    part integer NOT NULL,
    total integer,
    new integer NOT NULL,
    updated integer NOT NULL,
    existing integer NOT NULL,
    failed integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    problem text
);

CREATE TABLE ingest.store_secrets (
    store_id text NOT NULL,
    sealed bytea NOT NULL
);

COMMENT ON TABLE ingest.store_secrets IS 'apart from stores, so that the row can be locked while a token is renewed';

CREATE TABLE ingest.stores (
    store_id text NOT NULL,
    seller_id text NOT NULL,
    platform text NOT NULL,
    external_id text,
    name text NOT NULL,
    currency text,
    time_zone text,
    state text NOT NULL,
    problem text,
    push_problem text,
    auto_sync boolean NOT NULL,
    paid_only boolean NOT NULL,
    subscriptions text[] NOT NULL,
    subscribed_to text,
    subscribed_at timestamp with time zone,
    import_since timestamp with time zone NOT NULL,
    linked_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    access_ends_at timestamp with time zone,
    capabilities jsonb DEFAULT '[]'::jsonb NOT NULL,
    probed_at timestamp with time zone,
    grants integer DEFAULT 0 NOT NULL,
    tracking jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT stores_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'linked'::text, 'reconnect'::text, 'unlinked'::text])))
);

COMMENT ON COLUMN ingest.stores.external_id IS 'the platform''s own id; null until linked for the first time';

COMMENT ON COLUMN ingest.stores.capabilities IS 'what the last probe found, as schemas.stores.Capability';

COMMENT ON COLUMN ingest.stores.tracking IS 'the settings about tracking, those of schemas.stores.StoreSettings beside the columns';

CREATE TABLE ingest.syncs (
    sync_id text NOT NULL,
    store_id text NOT NULL,
    seller_id text NOT NULL,
    platform text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    asked_from text NOT NULL,
    asked_to text NOT NULL,
    zone text NOT NULL,
    by text NOT NULL,
    window_start timestamp with time zone NOT NULL,
    window_end timestamp with time zone NOT NULL,
    reads_from timestamp with time zone NOT NULL,
    notes text[] NOT NULL,
    reaches_back_to timestamp with time zone,
    state text NOT NULL,
    begun boolean NOT NULL,
    paused boolean NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    read_through timestamp with time zone NOT NULL,
    part integer NOT NULL,
    total integer,
    new integer NOT NULL,
    updated integer NOT NULL,
    existing integer NOT NULL,
    failed integer NOT NULL,
    outside integer NOT NULL,
    place_after text,
    place_start timestamp with time zone,
    place_end timestamp with time zone,
    place_kept_at timestamp with time zone,
    due_at timestamp with time zone NOT NULL,
    progressed_at timestamp with time zone NOT NULL,
    failures integer NOT NULL,
    waiting text,
    problem text,
    lease_owner text,
    lease_number bigint DEFAULT 0 NOT NULL,
    lease_expires_at timestamp with time zone,
    CONSTRAINT syncs_by_check CHECK ((by = ANY (ARRAY['created'::text, 'updated'::text]))),
    CONSTRAINT syncs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'succeeded'::text, 'partial'::text, 'failed'::text, 'cancelled'::text])))
);

COMMENT ON COLUMN ingest.syncs.sync_id IS 'rises with time';

COMMENT ON COLUMN ingest.syncs.asked_by IS 'the id of an API key';

COMMENT ON COLUMN ingest.syncs.reads_from IS 'where the widened window begins';

COMMENT ON COLUMN ingest.syncs.outside IS 'orders listed only because the window is wider than the period';

COMMENT ON COLUMN ingest.syncs.place_after IS 'the platform''s cursor, good for the window of place_start and place_end';

CREATE TABLE ingest.webhook_health (
    store_id text NOT NULL,
    heard_at timestamp with time zone,
    refused_at timestamp with time zone,
    checked_at timestamp with time zone,
    doubted_at timestamp with time zone,
    fruitless integer DEFAULT 0 NOT NULL,
    awaited_at timestamp with time zone,
    healing jsonb
)
WITH (fillfactor='80');

COMMENT ON COLUMN ingest.webhook_health.heard_at IS 'the last genuine webhook that told of an order';

COMMENT ON COLUMN ingest.webhook_health.refused_at IS 'a delivery that did not verify, at most one in some minutes';

COMMENT ON COLUMN ingest.webhook_health.doubted_at IS 'the last look for silence or for what webhooks missed';

COMMENT ON COLUMN ingest.webhook_health.fruitless IS 'how many such looks in a row found nothing to mend';

COMMENT ON COLUMN ingest.webhook_health.awaited_at IS 'when a poll found a change that no webhook had told';

COMMENT ON COLUMN ingest.webhook_health.healing IS 'what was mended last, as ingest''s Healing';

ALTER TABLE ONLY ingest.audit_answers
    ADD CONSTRAINT audit_answers_pkey PRIMARY KEY (audit_id, round, part);

ALTER TABLE ONLY ingest.audit_differences
    ADD CONSTRAINT audit_differences_pkey PRIMARY KEY (audit_id, external_id);

ALTER TABLE ONLY ingest.audit_explanations
    ADD CONSTRAINT audit_explanations_pkey PRIMARY KEY (store_id, by, external_id);

ALTER TABLE ONLY ingest.audit_listed
    ADD CONSTRAINT audit_listed_pkey PRIMARY KEY (audit_id, external_id);

ALTER TABLE ONLY ingest.audits
    ADD CONSTRAINT audits_pkey PRIMARY KEY (audit_id);

ALTER TABLE ONLY ingest.authorizations
    ADD CONSTRAINT authorizations_pkey PRIMARY KEY (state_digest);

ALTER TABLE ONLY ingest.drafts
    ADD CONSTRAINT drafts_pkey PRIMARY KEY (seller_id, draft_id);

ALTER TABLE ONLY ingest.given_orders
    ADD CONSTRAINT given_orders_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY ingest.import_pieces
    ADD CONSTRAINT import_pieces_pkey PRIMARY KEY (import_id, number);

ALTER TABLE ONLY ingest.import_problems
    ADD CONSTRAINT import_problems_pkey PRIMARY KEY (import_id, order_place, number);

ALTER TABLE ONLY ingest.imports
    ADD CONSTRAINT imports_pkey PRIMARY KEY (import_id);

ALTER TABLE ONLY ingest.look_stores
    ADD CONSTRAINT look_stores_pkey PRIMARY KEY (store_id);

ALTER TABLE ONLY ingest.looks
    ADD CONSTRAINT looks_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY ingest.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY ingest.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ingest.outgoing_deliveries
    ADD CONSTRAINT outgoing_deliveries_pkey PRIMARY KEY (delivery_id);

ALTER TABLE ONLY ingest.outgoing_endpoints
    ADD CONSTRAINT outgoing_endpoints_pkey PRIMARY KEY (endpoint_id);

ALTER TABLE ONLY ingest.poll_costs
    ADD CONSTRAINT poll_costs_pkey PRIMARY KEY (budget, store_id);

ALTER TABLE ONLY ingest.polls
    ADD CONSTRAINT polls_pkey PRIMARY KEY (store_id);

ALTER TABLE ONLY ingest.push_blocks
    ADD CONSTRAINT push_blocks_pkey PRIMARY KEY (store_id);

ALTER TABLE ONLY ingest.push_orders
    ADD CONSTRAINT push_orders_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY ingest.pushes
    ADD CONSTRAINT pushes_pkey PRIMARY KEY (push_id);

ALTER TABLE ONLY ingest.seen_orders
    ADD CONSTRAINT seen_orders_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY ingest.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY ingest.store_secrets
    ADD CONSTRAINT store_secrets_pkey PRIMARY KEY (store_id);

ALTER TABLE ONLY ingest.stores
    ADD CONSTRAINT stores_pkey PRIMARY KEY (store_id);

ALTER TABLE ONLY ingest.syncs
    ADD CONSTRAINT syncs_pkey PRIMARY KEY (sync_id);

ALTER TABLE ONLY ingest.webhook_health
    ADD CONSTRAINT webhook_health_pkey PRIMARY KEY (store_id);

CREATE INDEX audit_explanations_age ON ingest.audit_explanations USING btree (explained_at);

CREATE INDEX audits_by_seller ON ingest.audits USING btree (seller_id, audit_id);

CREATE INDEX audits_by_store ON ingest.audits USING btree (store_id, scope, planned_for);

CREATE INDEX audits_due ON ingest.audits USING btree (due_at) WHERE (state = 'running'::text);

CREATE INDEX audits_finished ON ingest.audits USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE UNIQUE INDEX audits_one_planned ON ingest.audits USING btree (store_id, scope) WHERE ((state = 'running'::text) AND (scope <> 'asked'::text));

CREATE INDEX authorizations_by_store ON ingest.authorizations USING btree (store_id);

CREATE INDEX drafts_by_age ON ingest.drafts USING btree (changed_at);

CREATE INDEX import_pieces_by_age ON ingest.import_pieces USING btree (kept_at);

CREATE INDEX imports_by_age ON ingest.imports USING btree (asked_at);

CREATE INDEX imports_by_file ON ingest.imports USING btree (store_id, digest, import_id);

CREATE INDEX imports_by_seller ON ingest.imports USING btree (seller_id, import_id);

CREATE INDEX imports_with_work ON ingest.imports USING btree (store_id, import_id) WHERE (state = ANY (ARRAY['checking'::text, 'running'::text]));

CREATE INDEX look_stores_due ON ingest.look_stores USING btree (platform, due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX looks_by_store ON ingest.looks USING btree (store_id, asked_at, order_key);

CREATE INDEX outgoing_deliveries_by_endpoint ON ingest.outgoing_deliveries USING btree (endpoint_id, created_at, delivery_id);

CREATE INDEX outgoing_deliveries_due ON ingest.outgoing_deliveries USING btree (endpoint_id, due_at) WHERE (state = 'waiting'::text);

CREATE INDEX outgoing_deliveries_ended ON ingest.outgoing_deliveries USING btree (created_at) WHERE (state <> 'waiting'::text);

CREATE INDEX outgoing_endpoints_by_seller ON ingest.outgoing_endpoints USING btree (seller_id, created_at);

CREATE INDEX poll_costs_by_store ON ingest.poll_costs USING btree (store_id);

CREATE INDEX push_orders_by_store ON ingest.push_orders USING btree (store_id) WHERE ((lease_owner IS NOT NULL) OR (after_grant IS NOT NULL));

CREATE INDEX push_orders_due ON ingest.push_orders USING btree (platform, due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX pushes_by_code ON ingest.pushes USING btree (seller_id, code, store_id) WHERE (code IS NOT NULL);

CREATE INDEX pushes_by_order ON ingest.pushes USING btree (order_key);

CREATE INDEX pushes_by_seller ON ingest.pushes USING btree (seller_id, created_at, push_id);

CREATE INDEX seen_orders_open ON ingest.seen_orders USING btree (order_key COLLATE "C") WHERE open;

CREATE INDEX sessions_finished ON ingest.sessions USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE UNIQUE INDEX sessions_one_poll_a_store ON ingest.sessions USING btree (store_id) WHERE ((way = 'poll'::text) AND (state = 'running'::text));

CREATE INDEX sessions_running ON ingest.sessions USING btree (way, window_end) WHERE (state = 'running'::text);

CREATE UNIQUE INDEX stores_by_external_id ON ingest.stores USING btree (seller_id, platform, external_id);

CREATE INDEX stores_by_platform ON ingest.stores USING btree (platform, external_id);

CREATE INDEX stores_by_seller ON ingest.stores USING btree (seller_id, store_id);

CREATE INDEX syncs_by_seller ON ingest.syncs USING btree (seller_id, sync_id);

CREATE INDEX syncs_finished ON ingest.syncs USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE INDEX syncs_unfinished ON ingest.syncs USING btree (store_id, sync_id) WHERE (state = 'running'::text);

ALTER TABLE ONLY ingest.audit_answers
    ADD CONSTRAINT audit_answers_audit_id_fkey FOREIGN KEY (audit_id) REFERENCES ingest.audits(audit_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.audit_differences
    ADD CONSTRAINT audit_differences_audit_id_fkey FOREIGN KEY (audit_id) REFERENCES ingest.audits(audit_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.audit_explanations
    ADD CONSTRAINT audit_explanations_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.audit_listed
    ADD CONSTRAINT audit_listed_audit_id_fkey FOREIGN KEY (audit_id) REFERENCES ingest.audits(audit_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.audits
    ADD CONSTRAINT audits_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.authorizations
    ADD CONSTRAINT authorizations_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.import_problems
    ADD CONSTRAINT import_problems_import_id_fkey FOREIGN KEY (import_id) REFERENCES ingest.imports(import_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.imports
    ADD CONSTRAINT imports_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.look_stores
    ADD CONSTRAINT look_stores_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.looks
    ADD CONSTRAINT looks_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.look_stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.outgoing_deliveries
    ADD CONSTRAINT outgoing_deliveries_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES ingest.outgoing_endpoints(endpoint_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.poll_costs
    ADD CONSTRAINT poll_costs_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.polls
    ADD CONSTRAINT polls_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.push_blocks
    ADD CONSTRAINT push_blocks_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.push_orders
    ADD CONSTRAINT push_orders_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.pushes
    ADD CONSTRAINT pushes_order_key_fkey FOREIGN KEY (order_key) REFERENCES ingest.push_orders(order_key) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.sessions
    ADD CONSTRAINT sessions_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.store_secrets
    ADD CONSTRAINT store_secrets_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.syncs
    ADD CONSTRAINT syncs_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;

ALTER TABLE ONLY ingest.webhook_health
    ADD CONSTRAINT webhook_health_store_id_fkey FOREIGN KEY (store_id) REFERENCES ingest.stores(store_id) ON DELETE CASCADE;
