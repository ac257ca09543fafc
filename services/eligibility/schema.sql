-- What the migrations beside this file make together; written by `python -m tests.schema_files`, never run.

CREATE SCHEMA eligibility;

CREATE TABLE eligibility.balances (
    seller_id text NOT NULL,
    currency text NOT NULL,
    amount bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE eligibility.catalog (
    sku text NOT NULL,
    variant text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    words tsvector GENERATED ALWAYS AS (array_to_tsvector(array_remove(regexp_split_to_array(lower((((((("left"(sku, 200) || ' '::text) || "left"(COALESCE(((variant)::jsonb ->> 'product_name'::text), ''::text), 400)) || ' '::text) || "left"(COALESCE(((variant)::jsonb ->> 'product_style'::text), ''::text), 200)) || ' '::text) || "left"((jsonb_path_query_array((variant)::jsonb, '$."options"[*]."value"'::jsonpath))::text, 500))), '[^[:alnum:]]+'::text), ''::text))) STORED NOT NULL
);

COMMENT ON COLUMN eligibility.catalog.words IS 'of the SKU, the names and the options; a search compares them with what it splits likewise';

CREATE TABLE eligibility.charges (
    order_key text NOT NULL,
    seller_id text NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    charged_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT charges_amount_check CHECK ((amount >= 0))
);

CREATE TABLE eligibility.erased_buyers (
    buyer bytea NOT NULL,
    store_id text NOT NULL,
    event_id text NOT NULL,
    asked_at timestamp with time zone NOT NULL
);

COMMENT ON COLUMN eligibility.erased_buyers.store_id IS 'empty: in every store';

CREATE TABLE eligibility.erased_orders (
    order_key text NOT NULL,
    event_id text NOT NULL,
    erased_at timestamp with time zone NOT NULL
);

CREATE TABLE eligibility.erased_stores (
    store_id text NOT NULL,
    event_id text NOT NULL,
    asked_at timestamp with time zone NOT NULL
);

CREATE TABLE eligibility.erasures (
    event_id text NOT NULL,
    seller_id text NOT NULL,
    orders integer NOT NULL
);

CREATE TABLE eligibility.installation (
    only_row boolean DEFAULT true NOT NULL,
    id text DEFAULT replace((gen_random_uuid())::text, '-'::text, ''::text) NOT NULL,
    CONSTRAINT installation_only_row_check CHECK (only_row)
);

CREATE TABLE eligibility.looks (
    order_key text NOT NULL,
    shard smallint NOT NULL,
    read_at timestamp with time zone,
    since timestamp with time zone,
    asked integer NOT NULL,
    asked_at timestamp with time zone,
    again_at timestamp with time zone,
    problem text
);

COMMENT ON COLUMN eligibility.looks.read_at IS 'when the platform said that the order is as it is known, or the seller took that upon themselves';

COMMENT ON COLUMN eligibility.looks.since IS 'since when the order waits for a look; null: it does not';

COMMENT ON COLUMN eligibility.looks.again_at IS 'when it is asked for again unless it was answered';

CREATE TABLE eligibility.matches (
    match_id text NOT NULL,
    ref text NOT NULL,
    seller_id text NOT NULL,
    store_id text NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    production_sku text NOT NULL,
    designs text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT matches_kind_check CHECK ((kind = ANY (ARRAY['variant'::text, 'product'::text, 'sku'::text])))
);

CREATE TABLE eligibility.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE eligibility.orders (
    order_key text NOT NULL,
    shard smallint NOT NULL,
    seller_id text NOT NULL,
    store_id text NOT NULL,
    imported_at timestamp with time zone NOT NULL,
    revised_at timestamp with time zone NOT NULL,
    fetched_at timestamp with time zone NOT NULL,
    raw_event_id text NOT NULL,
    registers text,
    number integer DEFAULT 0 NOT NULL,
    outcome text,
    reasons text,
    judged_event_id text,
    decided_at timestamp with time zone,
    cost_amount bigint,
    cost_currency text,
    approved boolean DEFAULT false NOT NULL,
    approved_payment text,
    approved_risk text,
    held_by_seller boolean DEFAULT false NOT NULL,
    pay_asked boolean DEFAULT false NOT NULL,
    told_revision integer,
    told_cancelled boolean DEFAULT false NOT NULL,
    production_state text,
    past_return boolean DEFAULT false NOT NULL,
    trace text,
    CONSTRAINT orders_outcome_check CHECK ((outcome = ANY (ARRAY['eligible'::text, 'held'::text, 'rejected'::text])))
)
WITH (fillfactor='85');

COMMENT ON COLUMN eligibility.orders.registers IS 'JSON: the risk and holds that revisions told, each with its stamp';

COMMENT ON COLUMN eligibility.orders.reasons IS 'JSON: the reasons of the valid decision, null for none';

COMMENT ON COLUMN eligibility.orders.told_revision IS 'what production was last told; null while it was not told anything';

COMMENT ON COLUMN eligibility.orders.trace IS 'traceparent of the raw order; null where none was kept';

CREATE TABLE eligibility.outbox (
    shard smallint NOT NULL,
    number bigint NOT NULL,
    topic text NOT NULL,
    order_key text NOT NULL,
    value bytea NOT NULL,
    sealed boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    trace text
);

ALTER TABLE ONLY eligibility.outbox ALTER COLUMN value SET STORAGE EXTERNAL;

CREATE TABLE eligibility.personal_data (
    order_key text NOT NULL,
    sealed_event bytea NOT NULL,
    sealed_correction bytea,
    told_address text DEFAULT ''::text NOT NULL,
    told_items text DEFAULT ''::text NOT NULL,
    erase_after timestamp with time zone,
    buyer bytea
);

ALTER TABLE ONLY eligibility.personal_data ALTER COLUMN sealed_event SET STORAGE EXTERNAL;

COMMENT ON COLUMN eligibility.personal_data.told_address IS 'digest of the address that production was told';

COMMENT ON COLUMN eligibility.personal_data.buyer IS 'keyed digest of the platform and its id of the buyer; null where it names none';

CREATE TABLE eligibility.privacy_requests (
    event_id text NOT NULL,
    number bigint NOT NULL,
    request_id text NOT NULL,
    kind text NOT NULL,
    platform text NOT NULL,
    store_id text,
    seller_id text,
    order_keys text[] NOT NULL,
    buyers bytea[] NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT privacy_requests_kind_check CHECK ((kind = ANY (ARRAY['data'::text, 'erase_buyer'::text, 'erase_store'::text]))),
    CONSTRAINT privacy_requests_state_check CHECK ((state = ANY (ARRAY['open'::text, 'answered'::text, 'erased'::text])))
);

COMMENT ON COLUMN eligibility.privacy_requests.store_id IS 'null: about every store of the platform';

COMMENT ON COLUMN eligibility.privacy_requests.buyers IS 'keyed digests of the buyers that it names';

ALTER TABLE eligibility.privacy_requests ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME eligibility.privacy_requests_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE eligibility.reassessments (
    id bigint NOT NULL,
    shard smallint NOT NULL,
    order_key text NOT NULL,
    cause text NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE eligibility.reassessments ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME eligibility.reassessments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE eligibility.relays (
    shard smallint NOT NULL,
    published bigint DEFAULT 0 NOT NULL
);

CREATE TABLE eligibility.seller_settings (
    seller_id text NOT NULL,
    auto_match boolean DEFAULT true NOT NULL,
    auto_approve boolean DEFAULT true NOT NULL,
    auto_pay boolean DEFAULT true NOT NULL
);

CREATE TABLE eligibility.shards (
    shard smallint NOT NULL,
    last_number bigint DEFAULT 0 NOT NULL
);

CREATE TABLE eligibility.stores (
    store_id text NOT NULL,
    seller_id text NOT NULL,
    platform text NOT NULL,
    import_since timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL
);

CREATE TABLE eligibility.top_ups (
    seller_id text NOT NULL,
    reference text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    CONSTRAINT top_ups_amount_check CHECK ((amount > 0))
);

CREATE TABLE eligibility.waits (
    order_key text NOT NULL,
    fact text NOT NULL,
    ref text NOT NULL,
    shard smallint NOT NULL
);

ALTER TABLE ONLY eligibility.balances
    ADD CONSTRAINT balances_pkey PRIMARY KEY (seller_id, currency);

ALTER TABLE ONLY eligibility.catalog
    ADD CONSTRAINT catalog_pkey PRIMARY KEY (sku);

ALTER TABLE ONLY eligibility.charges
    ADD CONSTRAINT charges_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY eligibility.erased_buyers
    ADD CONSTRAINT erased_buyers_pkey PRIMARY KEY (buyer, store_id);

ALTER TABLE ONLY eligibility.erased_orders
    ADD CONSTRAINT erased_orders_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY eligibility.erased_stores
    ADD CONSTRAINT erased_stores_pkey PRIMARY KEY (store_id);

ALTER TABLE ONLY eligibility.erasures
    ADD CONSTRAINT erasures_pkey PRIMARY KEY (event_id, seller_id);

ALTER TABLE ONLY eligibility.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY eligibility.looks
    ADD CONSTRAINT looks_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY eligibility.matches
    ADD CONSTRAINT matches_pkey PRIMARY KEY (match_id);

ALTER TABLE ONLY eligibility.matches
    ADD CONSTRAINT matches_ref_key UNIQUE (ref);

ALTER TABLE ONLY eligibility.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY eligibility.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY eligibility.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (shard, number);

ALTER TABLE ONLY eligibility.personal_data
    ADD CONSTRAINT personal_data_pkey PRIMARY KEY (order_key);

ALTER TABLE ONLY eligibility.privacy_requests
    ADD CONSTRAINT privacy_requests_number_key UNIQUE (number);

ALTER TABLE ONLY eligibility.privacy_requests
    ADD CONSTRAINT privacy_requests_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY eligibility.reassessments
    ADD CONSTRAINT reassessments_pkey PRIMARY KEY (id);

ALTER TABLE ONLY eligibility.relays
    ADD CONSTRAINT relays_pkey PRIMARY KEY (shard);

ALTER TABLE ONLY eligibility.seller_settings
    ADD CONSTRAINT seller_settings_pkey PRIMARY KEY (seller_id);

ALTER TABLE ONLY eligibility.shards
    ADD CONSTRAINT shards_pkey PRIMARY KEY (shard);

ALTER TABLE ONLY eligibility.stores
    ADD CONSTRAINT stores_pkey PRIMARY KEY (store_id);

ALTER TABLE ONLY eligibility.top_ups
    ADD CONSTRAINT top_ups_pkey PRIMARY KEY (seller_id, reference);

ALTER TABLE ONLY eligibility.waits
    ADD CONSTRAINT waits_pkey PRIMARY KEY (order_key, fact, ref);

CREATE INDEX catalog_by_sku ON eligibility.catalog USING btree (sku COLLATE "C");

CREATE INDEX catalog_words ON eligibility.catalog USING gin (words);

CREATE INDEX erasures_by_seller ON eligibility.erasures USING btree (seller_id, event_id);

CREATE INDEX looks_to_ask ON eligibility.looks USING btree (shard, again_at) WHERE (again_at IS NOT NULL);

CREATE INDEX matches_by_seller ON eligibility.matches USING btree (seller_id, match_id);

CREATE INDEX orders_held ON eligibility.orders USING btree (seller_id, store_id) WHERE (outcome = 'held'::text);

CREATE INDEX outbox_sealed ON eligibility.outbox USING btree (order_key) WHERE sealed;

CREATE INDEX personal_data_by_age ON eligibility.personal_data USING btree (erase_after) WHERE (erase_after IS NOT NULL);

CREATE INDEX personal_data_by_buyer ON eligibility.personal_data USING btree (buyer) WHERE (buyer IS NOT NULL);

CREATE INDEX personal_data_by_store ON eligibility.personal_data USING btree (split_part(order_key, ':'::text, 2) COLLATE "C", order_key COLLATE "C");

CREATE INDEX privacy_requests_by_seller ON eligibility.privacy_requests USING btree (seller_id, number);

CREATE INDEX privacy_requests_to_erase ON eligibility.privacy_requests USING btree (number) WHERE ((state = 'open'::text) AND (kind <> 'data'::text));

CREATE INDEX reassessments_by_shard ON eligibility.reassessments USING btree (shard, id);

CREATE INDEX stores_by_seller ON eligibility.stores USING btree (seller_id);

CREATE INDEX waits_by_fact ON eligibility.waits USING btree (fact, ref);
