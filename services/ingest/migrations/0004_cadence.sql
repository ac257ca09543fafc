-- How often each store is polled: what it shows of its habits, what its polls take of each call budget, and the reason.

ALTER TABLE polls
    ADD COLUMN next_because text,
    ADD COLUMN rest_seconds double precision NOT NULL DEFAULT 0,
    ADD COLUMN activity     double precision;
COMMENT ON COLUMN polls.next_because IS 'why at next_poll_at, for the seller';
COMMENT ON COLUMN polls.rest_seconds IS 'how long the store was to rest after its last poll';
COMMENT ON COLUMN polls.activity IS 'changed orders per hour; null: not known yet';

CREATE TABLE poll_costs (
    budget   text NOT NULL,
    store_id text NOT NULL REFERENCES stores ON DELETE CASCADE,
    cost     double precision NOT NULL,
    PRIMARY KEY (budget, store_id)
);
CREATE INDEX poll_costs_by_store ON poll_costs (store_id);
COMMENT ON TABLE poll_costs IS 'what one poll of a store takes of a call budget, by the name in access.limits';
