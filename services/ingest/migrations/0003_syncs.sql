-- Manual syncs: what sellers asked for, how far each is read, and who reads it.

CREATE TABLE syncs (
    sync_id          text PRIMARY KEY,
    store_id         text NOT NULL REFERENCES stores ON DELETE CASCADE,
    seller_id        text NOT NULL,
    platform         text NOT NULL,
    asked_by         text NOT NULL,
    asked_at         timestamptz NOT NULL,
    asked_from       text NOT NULL,
    asked_to         text NOT NULL,
    zone             text NOT NULL,
    by               text NOT NULL CHECK (by IN ('created', 'updated')),
    window_start     timestamptz NOT NULL,
    window_end       timestamptz NOT NULL,
    reads_from       timestamptz NOT NULL,
    notes            text[] NOT NULL,
    reaches_back_to  timestamptz,
    state            text NOT NULL CHECK (state IN ('running', 'succeeded', 'partial', 'failed', 'cancelled')),
    begun            boolean NOT NULL,
    paused           boolean NOT NULL,
    started_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    read_through     timestamptz NOT NULL,
    part             integer NOT NULL,
    total            integer,
    new              integer NOT NULL,
    updated          integer NOT NULL,
    existing         integer NOT NULL,
    failed           integer NOT NULL,
    outside          integer NOT NULL,
    place_after      text,
    place_start      timestamptz,
    place_end        timestamptz,
    place_kept_at    timestamptz,
    due_at           timestamptz NOT NULL,
    progressed_at    timestamptz NOT NULL,
    failures         integer NOT NULL,
    waiting          text,
    problem          text,
    lease_owner      text,
    lease_number     bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz
);
CREATE INDEX syncs_by_seller ON syncs (seller_id, sync_id);
CREATE INDEX syncs_unfinished ON syncs (store_id, sync_id) WHERE state = 'running';
CREATE INDEX syncs_finished ON syncs (finished_at) WHERE finished_at IS NOT NULL;
COMMENT ON COLUMN syncs.sync_id IS 'rises with time';
COMMENT ON COLUMN syncs.asked_by IS 'the id of an API key';
COMMENT ON COLUMN syncs.reads_from IS 'where the widened window begins';
COMMENT ON COLUMN syncs.place_after IS 'the platform''s cursor, good for the window of place_start and place_end';
COMMENT ON COLUMN syncs.outside IS 'orders listed only because the window is wider than the period';
