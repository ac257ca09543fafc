-- What proves that a store's orders are complete: the windows that polls read, what audits found, and up to which
-- revision each order was judged.

ALTER TABLE sessions ADD COLUMN read_through timestamptz;
ALTER TABLE sessions ADD COLUMN healed text;
ALTER TABLE sessions ADD COLUMN next_at timestamptz;
ALTER TABLE sessions ADD COLUMN next_because text;
ALTER TABLE sessions ADD COLUMN proven boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN sessions.proven IS 'every order that this poll listed was judged, so its window is in completeness';
CREATE INDEX sessions_unproven ON sessions (store_id, window_start)
WHERE way = 'poll' AND read_through IS NOT NULL AND NOT proven;
CREATE INDEX sessions_healed ON sessions (store_id, finished_at DESC) WHERE healed IS NOT NULL;

ALTER TABLE session_orders ADD COLUMN revision_told timestamptz;
COMMENT ON COLUMN session_orders.revision_told IS 'the latest revision that its session told, unless it could not be read';
UPDATE session_orders SET revision_told = COALESCE(revised_at, 'epoch')
WHERE result <> 'failed' AND order_key IS NOT NULL;

ALTER TABLE orders ADD COLUMN judged_revised_at timestamptz;
COMMENT ON COLUMN orders.judged_revised_at IS 'the latest revision that any decision was about';
UPDATE orders SET judged_revised_at = revised_at WHERE decision_number IS NOT NULL;
CREATE INDEX orders_by_revision ON orders (store_id, judged_revised_at);

CREATE TABLE audits (
    audit_id           text PRIMARY KEY,
    seller_id          text NOT NULL,
    store_id           text NOT NULL,
    first_at           timestamptz NOT NULL,
    changed_at         timestamptz NOT NULL,
    start_event_id     text COLLATE "C",
    started_at         timestamptz,
    platform           text,
    scope              text,
    by                 text,
    window_start       timestamptz,
    window_end         timestamptz,
    started_by         text,
    step               integer NOT NULL DEFAULT 0,
    step_event_id      text COLLATE "C",
    listed             integer NOT NULL DEFAULT 0,
    held               integer NOT NULL DEFAULT 0,
    missing            integer NOT NULL DEFAULT 0,
    stale              integer NOT NULL DEFAULT 0,
    unknown            integer NOT NULL DEFAULT 0,
    fetched            integer NOT NULL DEFAULT 0,
    unsettled          integer NOT NULL DEFAULT 0,
    unsettled_since    timestamptz,
    found              jsonb NOT NULL DEFAULT '[]',
    finish_event_id    text COLLATE "C",
    finished_at        timestamptz,
    finished_state     text,
    problem            text,
    proven             boolean NOT NULL DEFAULT false,
    state              text NOT NULL GENERATED ALWAYS AS (COALESCE(finished_state, 'running')) STORED,
    listed_at          timestamptz NOT NULL GENERATED ALWAYS AS (COALESCE(started_at, first_at)) STORED
);
COMMENT ON COLUMN audits.proven IS 'it was about change times and settled every difference, so its window is in completeness';
CREATE INDEX audits_by_time ON audits (seller_id, listed_at DESC, audit_id DESC);
CREATE INDEX audits_by_store ON audits (store_id, listed_at DESC, audit_id DESC);
CREATE INDEX audits_in_doubt ON audits (store_id) WHERE unsettled > 0;

CREATE TABLE completeness (
    store_id text PRIMARY KEY,
    polled   tstzmultirange NOT NULL,
    covered  tstzmultirange NOT NULL
);
COMMENT ON COLUMN completeness.polled IS 'change times that proven polls read';
COMMENT ON COLUMN completeness.covered IS 'the same, and those of proven audits; both only ever grow';
