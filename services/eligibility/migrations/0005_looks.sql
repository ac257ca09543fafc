-- Last looks: orders that are asked about once more on their platform before they are released, while that is under way.

CREATE TABLE looks (
    order_key text PRIMARY KEY,
    shard     smallint NOT NULL,
    read_at   timestamptz,
    since     timestamptz,
    asked     integer NOT NULL,
    asked_at  timestamptz,
    again_at  timestamptz,
    problem   text
);
CREATE INDEX looks_to_ask ON looks (shard, again_at) WHERE again_at IS NOT NULL;
COMMENT ON COLUMN looks.read_at IS 'when the platform said that the order is as it is known, or the seller took that upon themselves';
COMMENT ON COLUMN looks.since IS 'since when the order waits for a look; null: it does not';
COMMENT ON COLUMN looks.again_at IS 'when it is asked for again unless it was answered';
