-- Imports: files of orders, how far each is, what is wrong with their rows, and who goes on with them.

CREATE TABLE imports (
    import_id        text PRIMARY KEY,
    store_id         text NOT NULL REFERENCES stores ON DELETE CASCADE,
    seller_id        text NOT NULL,
    platform         text NOT NULL,
    asked_at         timestamptz NOT NULL,
    digest           text NOT NULL,
    state            text NOT NULL
        CHECK (state IN ('checking', 'ready', 'running', 'succeeded', 'partial', 'failed', 'cancelled')),
    started_at       timestamptz,
    due_at           timestamptz NOT NULL,
    held             jsonb NOT NULL,
    lease_owner      text,
    lease_number     bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz
);
CREATE INDEX imports_by_seller ON imports (seller_id, import_id);
CREATE INDEX imports_by_file ON imports (store_id, digest, import_id);
CREATE INDEX imports_with_work ON imports (store_id, import_id) WHERE state IN ('checking', 'running');
CREATE INDEX imports_by_age ON imports (asked_at);
COMMENT ON COLUMN imports.import_id IS 'rises with time; also the id of its session';
COMMENT ON COLUMN imports.digest IS 'the SHA-256 of the file';
COMMENT ON COLUMN imports.held IS 'all of it, the columns above included, as services.ingest.imports.Import';

CREATE TABLE import_pieces (
    import_id text NOT NULL,
    number    integer NOT NULL,
    sealed    bytea NOT NULL,
    kept_at   timestamptz NOT NULL,
    PRIMARY KEY (import_id, number)
);
CREATE INDEX import_pieces_by_age ON import_pieces (kept_at);
ALTER TABLE import_pieces ALTER COLUMN sealed SET STORAGE EXTERNAL;
COMMENT ON TABLE import_pieces IS 'files as they came, sealed; they hold personal data and are kept for days. '
    'A piece may be there before its import';

CREATE TABLE import_problems (
    import_id      text NOT NULL REFERENCES imports ON DELETE CASCADE,
    order_place    integer NOT NULL,
    number         integer NOT NULL,
    reference      text NOT NULL,
    row_number     integer NOT NULL,
    header         text,
    problem        text NOT NULL,
    remedy         text NOT NULL,
    while_checking boolean NOT NULL,
    PRIMARY KEY (import_id, order_place, number)
);
COMMENT ON TABLE import_problems IS 'without what stood in the cells';
COMMENT ON COLUMN import_problems.order_place IS 'the order''s place in the file, from 0';
