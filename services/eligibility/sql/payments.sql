-- name: add_balances
-- Makes the rows of sellers whose balance was never touched, so that there is something to lock.
INSERT INTO balances (seller_id, currency)
SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING;

-- name: lock_balances
-- Keeps these balances from changing; sorted, so that two transactions never wait for each other.
SELECT b.seller_id, b.currency, b.amount
FROM balances b
JOIN unnest($1::text[], $2::text[]) AS n (seller_id, currency) USING (seller_id, currency)
ORDER BY b.seller_id, b.currency
FOR UPDATE OF b;

-- name: share_balances
-- Lets these balances change only after this transaction, whose orders begin to wait for them: nobody is charged by it, so
-- others may look at them too. Sorted as above.
SELECT b.seller_id, b.currency, b.amount
FROM balances b
JOIN unnest($1::text[], $2::text[]) AS n (seller_id, currency) USING (seller_id, currency)
ORDER BY b.seller_id, b.currency
FOR SHARE OF b;

-- name: set_balances
-- Writes the locked balances.
UPDATE balances AS b SET amount = n.amount
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (seller_id, currency, amount)
WHERE b.seller_id = n.seller_id AND b.currency = n.currency;

-- name: write_charges
-- Notes what production is paid for these orders in all.
INSERT INTO charges AS c (order_key, seller_id, currency, amount, charged_at, changed_at)
SELECT order_key, seller_id, currency, amount, $5, $5
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS n (order_key, seller_id, currency, amount)
ON CONFLICT (order_key) DO UPDATE SET
    currency = excluded.currency, amount = excluded.amount, changed_at = excluded.changed_at;

-- name: list_balances
-- A seller's balances.
SELECT currency, amount FROM balances WHERE seller_id = $1 ORDER BY currency;

-- name: add_top_up
-- Notes a top-up; the same reference is the same top-up.
INSERT INTO top_ups (seller_id, reference, amount, currency, made_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING reference;

-- name: find_top_up
-- A top-up by its reference.
SELECT amount, currency FROM top_ups WHERE seller_id = $1 AND reference = $2;

-- name: raise_balance
-- Adds a top-up to the balance.
INSERT INTO balances AS b (seller_id, currency, amount) VALUES ($1, $2, $3)
ON CONFLICT (seller_id, currency) DO UPDATE SET amount = b.amount + excluded.amount;
