-- Orders that sellers gave us themselves: which references are taken, by what content, and how far each came.

CREATE TABLE given_orders (
    order_key  text PRIMARY KEY,
    store_id   text NOT NULL,
    reference  text NOT NULL,
    content    text NOT NULL,
    revision   integer NOT NULL,
    state      text NOT NULL CHECK (state IN ('given', 'cancelled')),
    test       boolean NOT NULL,
    given_at   timestamptz NOT NULL,
    revised_at timestamptz NOT NULL,
    kept       text NOT NULL
) WITH (fillfactor = 80);
COMMENT ON TABLE given_orders IS 'without personal data; a row may be there before Kafka has the order';
COMMENT ON COLUMN given_orders.content IS 'what identifies the content as it was given, buyer included';
COMMENT ON COLUMN given_orders.kept IS 'the raw order without its buyer: what a cancellation is told with';
