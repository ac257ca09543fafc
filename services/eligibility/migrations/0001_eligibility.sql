-- Everything that judging an order needs and makes. Buyers' data stand in personal_data and, on their way to production,
-- in the outbox, both sealed; nowhere else.

-- A new database is a new installation: the relays' positions in Kafka belong to the one that numbered the outbox.
CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id       text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', '')
);
INSERT INTO installation DEFAULT VALUES;

-- One row an input partition. Its lock makes one transaction at a time judge orders of the shard, and its number orders
-- the outbox: numbers become visible in their order, without holes.
CREATE TABLE shards (
    shard       smallint PRIMARY KEY,
    last_number bigint NOT NULL DEFAULT 0
);

-- How far the relay of a shard has surely published: a lower bound, for Kafka forgets positions after a week of silence.
CREATE TABLE relays (
    shard     smallint PRIMARY KEY,
    published bigint NOT NULL DEFAULT 0
);

CREATE TABLE orders (
    order_key        text PRIMARY KEY,
    shard            smallint NOT NULL,
    seller_id        text NOT NULL,
    store_id         text NOT NULL,
    imported_at      timestamptz NOT NULL,
    revised_at       timestamptz NOT NULL,
    fetched_at       timestamptz NOT NULL,
    raw_event_id     text NOT NULL,
    registers        text,
    number           integer NOT NULL DEFAULT 0,
    outcome          text CHECK (outcome IN ('eligible', 'held', 'rejected')),
    reasons          text,
    judged_event_id  text,
    decided_at       timestamptz,
    cost_amount      bigint,
    cost_currency    text,
    approved         boolean NOT NULL DEFAULT false,
    approved_payment text,
    approved_risk    text,
    held_by_seller   boolean NOT NULL DEFAULT false,
    pay_asked        boolean NOT NULL DEFAULT false,
    told_revision    integer,
    told_cancelled   boolean NOT NULL DEFAULT false,
    production_state text,
    past_return      boolean NOT NULL DEFAULT false
) WITH (fillfactor = 85);
COMMENT ON COLUMN orders.registers IS 'JSON: the risk and holds that revisions told, each with its stamp';
COMMENT ON COLUMN orders.reasons IS 'JSON: the reasons of the valid decision, null for none';
COMMENT ON COLUMN orders.told_revision IS 'what production was last told; null while it was not told anything';
CREATE INDEX orders_held ON orders (seller_id, store_id) WHERE outcome = 'held';

CREATE TABLE personal_data (
    order_key         text PRIMARY KEY,
    sealed_event      bytea NOT NULL,
    sealed_correction bytea,
    told_address      text NOT NULL DEFAULT '',
    told_items        text NOT NULL DEFAULT '',
    erase_after       timestamptz
);
-- Ciphertext does not compress.
ALTER TABLE personal_data ALTER COLUMN sealed_event SET STORAGE EXTERNAL;
CREATE INDEX personal_data_by_age ON personal_data (erase_after) WHERE erase_after IS NOT NULL;
COMMENT ON COLUMN personal_data.told_address IS 'digest of the address that production was told';

CREATE TABLE outbox (
    shard      smallint NOT NULL,
    number     bigint NOT NULL,
    topic      text NOT NULL,
    order_key  text NOT NULL,
    value      bytea NOT NULL,
    sealed     boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, number)
);
ALTER TABLE outbox ALTER COLUMN value SET STORAGE EXTERNAL;

CREATE TABLE waits (
    order_key text NOT NULL,
    fact      text NOT NULL,
    ref       text NOT NULL,
    shard     smallint NOT NULL,
    PRIMARY KEY (order_key, fact, ref)
);
CREATE INDEX waits_by_fact ON waits (fact, ref);

-- No unique key over the order: whoever asks must never wait for whoever judges.
CREATE TABLE reassessments (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard        smallint NOT NULL,
    order_key    text NOT NULL,
    cause        text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reassessments_by_shard ON reassessments (shard, id);

CREATE TABLE seller_settings (
    seller_id    text PRIMARY KEY,
    auto_match   boolean NOT NULL DEFAULT true,
    auto_approve boolean NOT NULL DEFAULT true,
    auto_pay     boolean NOT NULL DEFAULT true
);

CREATE TABLE stores (
    store_id     text PRIMARY KEY,
    seller_id    text NOT NULL,
    platform     text NOT NULL,
    import_since timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL
);
CREATE INDEX stores_by_seller ON stores (seller_id);

CREATE TABLE matches (
    match_id       text PRIMARY KEY,
    ref            text NOT NULL UNIQUE,
    seller_id      text NOT NULL,
    store_id       text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('variant', 'product', 'sku')),
    value          text NOT NULL,
    production_sku text NOT NULL,
    designs        text NOT NULL,
    changed_at     timestamptz NOT NULL
);
CREATE INDEX matches_by_seller ON matches (seller_id, match_id);

CREATE TABLE catalog (
    sku        text PRIMARY KEY,
    variant    text NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE balances (
    seller_id text NOT NULL,
    currency  text NOT NULL,
    amount    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (seller_id, currency)
) WITH (fillfactor = 50);

CREATE TABLE top_ups (
    seller_id text NOT NULL,
    reference text NOT NULL,
    amount    bigint NOT NULL CHECK (amount > 0),
    currency  text NOT NULL,
    made_at   timestamptz NOT NULL,
    PRIMARY KEY (seller_id, reference)
);

-- An order is charged once: its row says how much production was paid for it in all.
CREATE TABLE charges (
    order_key  text PRIMARY KEY,
    seller_id  text NOT NULL,
    currency   text NOT NULL,
    amount     bigint NOT NULL CHECK (amount >= 0),
    charged_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
