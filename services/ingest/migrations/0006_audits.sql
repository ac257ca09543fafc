-- Audits: which are planned or run, what the platform listed, what the report answered, what differs and why; and which
-- orders more is to be expected of.

ALTER TABLE seen_orders
    ADD COLUMN open    boolean NOT NULL DEFAULT true,
    ADD COLUMN read_at timestamptz;
COMMENT ON COLUMN seen_orders.open IS 'more is to be expected of the order: it is not shipped, cancelled, paid back or gone';
COMMENT ON COLUMN seen_orders.read_at IS 'when the revision was read';
CREATE INDEX seen_orders_open ON seen_orders (order_key COLLATE "C") WHERE open;

CREATE TABLE audits (
    audit_id         text PRIMARY KEY,
    store_id         text NOT NULL REFERENCES stores ON DELETE CASCADE,
    seller_id        text NOT NULL,
    platform         text NOT NULL,
    scope            text NOT NULL CHECK (scope IN ('day', 'week', 'open', 'asked')),
    by               text NOT NULL CHECK (by IN ('created', 'updated')),
    started_by       text NOT NULL,
    planned_for      timestamptz NOT NULL,
    asked            jsonb,
    window_start     timestamptz,
    window_end       timestamptz,
    state            text NOT NULL CHECK (state IN ('running', 'agreed', 'explained', 'differs', 'failed')),
    stage            text NOT NULL CHECK (stage IN ('listing', 'listed', 'comparing', 'fetching', 'asking')),
    due_at           timestamptz NOT NULL,
    progressed_at    timestamptz NOT NULL,
    started_at       timestamptz,
    finished_at      timestamptz,
    place_after      text,
    listed           integer NOT NULL,
    counted          integer,
    round            integer NOT NULL,
    parts            integer NOT NULL,
    asked_report_at  timestamptz,
    compared_at      timestamptz,
    held             integer NOT NULL,
    missing          integer NOT NULL,
    stale            integer NOT NULL,
    unknown          integer NOT NULL,
    fetched          integer NOT NULL,
    unsettled        integer NOT NULL,
    unsettled_since  timestamptz,
    step             integer NOT NULL,
    failures         integer NOT NULL,
    waiting          text,
    problem          text,
    costs            jsonb NOT NULL,
    lease_owner      text,
    lease_number     bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz
);
CREATE UNIQUE INDEX audits_one_planned ON audits (store_id, scope) WHERE state = 'running' AND scope <> 'asked';
CREATE INDEX audits_by_seller ON audits (seller_id, audit_id);
CREATE INDEX audits_by_store ON audits (store_id, scope, planned_for);
CREATE INDEX audits_due ON audits (due_at) WHERE state = 'running';
CREATE INDEX audits_finished ON audits (finished_at) WHERE finished_at IS NOT NULL;
COMMENT ON COLUMN audits.audit_id IS 'rises with time';
COMMENT ON COLUMN audits.asked IS 'what a seller asked for, in their own words';
COMMENT ON COLUMN audits.place_after IS 'the platform''s cursor; of open orders, the id read last';
COMMENT ON COLUMN audits.counted IS 'the platform''s own count';
COMMENT ON COLUMN audits.costs IS 'what it took of each call budget';

CREATE TABLE audit_listed (
    audit_id    text NOT NULL REFERENCES audits ON DELETE CASCADE,
    external_id text NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (audit_id, external_id)
);
COMMENT ON TABLE audit_listed IS 'the platform''s list, until the report is asked to compare it';

CREATE TABLE audit_answers (
    audit_id text NOT NULL REFERENCES audits ON DELETE CASCADE,
    round    integer NOT NULL,
    part     integer NOT NULL,
    held     integer NOT NULL,
    found    jsonb NOT NULL,
    PRIMARY KEY (audit_id, round, part)
);

CREATE TABLE audit_differences (
    audit_id    text NOT NULL REFERENCES audits ON DELETE CASCADE,
    external_id text NOT NULL,
    finding     text NOT NULL,
    at          timestamptz NOT NULL,
    wanted      timestamptz,
    read_at     timestamptz,
    explanation text,
    settled     boolean NOT NULL,
    PRIMARY KEY (audit_id, external_id)
);

CREATE TABLE audit_explanations (
    store_id     text NOT NULL REFERENCES stores ON DELETE CASCADE,
    by           text NOT NULL,
    external_id  text NOT NULL,
    at           timestamptz NOT NULL,
    explanation  text NOT NULL,
    explained_at timestamptz NOT NULL,
    PRIMARY KEY (store_id, by, external_id)
);
CREATE INDEX audit_explanations_age ON audit_explanations (explained_at);
COMMENT ON TABLE audit_explanations IS 'why orders differ for good, so that later audits need not read them again';
