-- What platforms ask about buyers' data on the buyers' behalf, and what was erased, so that no later revision brings it back.

-- Who bought, as a keyed digest: it finds a buyer's orders, and tells nothing to whoever lacks the master key.
ALTER TABLE personal_data ADD COLUMN buyer bytea;
COMMENT ON COLUMN personal_data.buyer IS 'keyed digest of the platform and its id of the buyer; null where it names none';
CREATE INDEX personal_data_by_buyer ON personal_data (buyer) WHERE buyer IS NOT NULL;
-- An order key names its store. The collation makes the order of keys that of their bytes, whatever the database's own is.
CREATE INDEX personal_data_by_store ON personal_data (split_part(order_key, ':', 2) COLLATE "C", order_key COLLATE "C");
-- Messages with an address, to be found by their order.
CREATE INDEX outbox_sealed ON outbox (order_key) WHERE sealed;

CREATE TABLE privacy_requests (
    event_id   text PRIMARY KEY,
    number     bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    request_id text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('data', 'erase_buyer', 'erase_store')),
    platform   text NOT NULL,
    store_id   text,
    seller_id  text,
    order_keys text[] NOT NULL,
    buyers     bytea[] NOT NULL,
    asked_at   timestamptz NOT NULL,
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'answered', 'erased')),
    closed_at  timestamptz
);
COMMENT ON COLUMN privacy_requests.store_id IS 'null: about every store of the platform';
COMMENT ON COLUMN privacy_requests.buyers IS 'keyed digests of the buyers that it names';
CREATE INDEX privacy_requests_by_seller ON privacy_requests (seller_id, number);
CREATE INDEX privacy_requests_to_erase ON privacy_requests (number) WHERE state = 'open' AND kind <> 'data';

-- How much was erased, a seller: one request may be about the stores of many.
CREATE TABLE erasures (
    event_id  text NOT NULL,
    seller_id text NOT NULL,
    orders    integer NOT NULL,
    PRIMARY KEY (event_id, seller_id)
);
CREATE INDEX erasures_by_seller ON erasures (seller_id, event_id);

-- Tombstones, kept for ever. Of buyers and stores they take what was placed until they were asked for; of an order, all.
CREATE TABLE erased_orders (
    order_key text PRIMARY KEY,
    event_id  text NOT NULL,
    erased_at timestamptz NOT NULL
);

CREATE TABLE erased_buyers (
    buyer    bytea NOT NULL,
    store_id text NOT NULL,
    event_id text NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (buyer, store_id)
);
COMMENT ON COLUMN erased_buyers.store_id IS 'empty: in every store';

CREATE TABLE erased_stores (
    store_id text PRIMARY KEY,
    event_id text NOT NULL,
    asked_at timestamptz NOT NULL
);
