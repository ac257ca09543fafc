-- name: take_from_limit
-- Takes $2 out of the bucket unless that means waiting longer than $3 seconds until $4 more than that is there; tells
-- the wait, and whether it took.
-- Below zero is what those who wait already were promised: each later one waits behind them.
WITH held AS MATERIALIZED (
    SELECT name, capacity, rate,
           least(capacity, available + rate * extract(epoch FROM clock_timestamp() - counted_at)) AS available,
           coalesce(extract(epoch FROM closed_until - clock_timestamp()), 0) AS closed_for
    FROM limits
    WHERE name = $1
    FOR UPDATE
), judged AS MATERIALIZED (
    SELECT name, capacity, available,
           greatest(
               (least($2::float8, capacity) + $4::float8 - available) / rate, closed_for, 0
           )::float8 AS wait
    FROM held
), taken AS (
    UPDATE limits
    SET available = judged.available - least($2::float8, judged.capacity), counted_at = clock_timestamp()
    FROM judged
    WHERE limits.name = judged.name AND judged.wait <= $3::float8
    RETURNING limits.name
)
SELECT judged.wait, taken.name IS NOT NULL AS taken FROM judged LEFT JOIN taken USING (name);

-- name: available_of_limit
-- What is there of a budget now.
SELECT capacity, rate,
       least(capacity, available + rate * extract(epoch FROM clock_timestamp() - counted_at))::float8 AS available,
       greatest(coalesce(extract(epoch FROM closed_until - clock_timestamp()), 0), 0)::float8 AS closed_for
FROM limits
WHERE name = $1;

-- name: open_limit
-- Begins a full bucket, unless there is one.
INSERT INTO limits (name, capacity, rate, available, counted_at)
VALUES ($1, $2, $3, $2, clock_timestamp())
ON CONFLICT (name) DO NOTHING;

-- name: learn_limit
-- Takes over what the other side said: size $2, rate $3, what it says is there $4 (null: not told), what was taken too
-- much $5. It does not know of calls under way, so of its word and ours the smaller one holds; and those who wait were
-- given their turns at the former rate, so who comes now waits until they have had them.
INSERT INTO limits AS held (name, capacity, rate, available, counted_at)
VALUES ($1, $2, $3, coalesce($4::float8, $2), clock_timestamp())
ON CONFLICT (name) DO UPDATE
SET capacity = excluded.capacity,
    rate = excluded.rate,
    available = CASE
        WHEN held.capacity <> excluded.capacity THEN
            excluded.available
            + least(held.available + held.rate * extract(epoch FROM clock_timestamp() - held.counted_at), 0)
        ELSE least(
            excluded.available,
            (held.available + held.rate * extract(epoch FROM clock_timestamp() - held.counted_at))
            * CASE
                WHEN held.available + held.rate * extract(epoch FROM clock_timestamp() - held.counted_at) < 0
                THEN excluded.rate / held.rate
                ELSE 1
            END + $5::float8
        )
    END,
    counted_at = clock_timestamp();

-- name: close_limit
-- Lets nothing through for $2 seconds; a longer closure stays.
UPDATE limits
SET closed_until = greatest(closed_until, clock_timestamp() + make_interval(secs => $2::float8))
WHERE name = $1;
