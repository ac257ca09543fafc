-- Budgets that another system gives us, counted for all processes together.

CREATE TABLE limits (
    name         text PRIMARY KEY,
    capacity     double precision NOT NULL CHECK (capacity > 0),
    rate         double precision NOT NULL CHECK (rate > 0),
    available    double precision NOT NULL,
    counted_at   timestamptz NOT NULL,
    closed_until timestamptz
) WITH (fillfactor = 50);
COMMENT ON COLUMN limits.rate IS 'what comes back each second, up to the capacity';
COMMENT ON COLUMN limits.available IS 'what was there at counted_at; below zero: promised to those who wait already';
