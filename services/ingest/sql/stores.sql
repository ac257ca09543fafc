-- name: insert_store
-- Keeps a new store; its row in the due-table follows.
INSERT INTO stores (
    store_id, seller_id, platform, external_id, name, currency, time_zone, state, problem, push_problem, auto_sync,
    paid_only, subscriptions, subscribed_to, subscribed_at, import_since, linked_at, access_ends_at,
    capabilities, probed_at, grants, tracking, created_at, changed_at
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24
);

-- name: insert_poll
-- Gives a new store its row in the due-table.
INSERT INTO polls (store_id) VALUES ($1);

-- name: get_store
-- One store by its id.
SELECT * FROM stores WHERE store_id = $1;

-- name: lock_store
-- One store, which nobody else changes until this transaction ends.
SELECT * FROM stores WHERE store_id = $1 FOR UPDATE;

-- name: find_store
-- The seller's store with an id on a platform.
SELECT * FROM stores WHERE seller_id = $1 AND platform = $2 AND external_id = $3;

-- name: stores_of_platform
-- The stores, of any seller, that an account on a platform is or was linked as.
SELECT * FROM stores
WHERE platform = $1 AND external_id = $2 AND state <> 'pending'
ORDER BY store_id;

-- name: page_of_stores
-- A seller's stores by id, those after $2.
SELECT * FROM stores WHERE seller_id = $1 AND store_id > $2 ORDER BY store_id LIMIT $3;

-- name: open_store
-- A store with its sealed secrets.
SELECT stores.*, store_secrets.sealed
FROM stores LEFT JOIN store_secrets USING (store_id)
WHERE store_id = $1;

-- name: update_store
-- Replaces what may change of a store.
UPDATE stores
SET external_id = $2, name = $3, currency = $4, time_zone = $5, state = $6, problem = $7, push_problem = $8,
    auto_sync = $9, paid_only = $10, subscriptions = $11, subscribed_to = $12, subscribed_at = $13,
    import_since = $14, linked_at = $15, access_ends_at = $16, capabilities = $17, probed_at = $18, grants = $19,
    tracking = $20, changed_at = $21
WHERE store_id = $1;

-- name: drop_pending_store
-- Forgets a store that was never linked.
DELETE FROM stores WHERE store_id = $1 AND state = 'pending' AND linked_at IS NULL;

-- name: keep_secrets
-- Replaces a store's sealed secrets.
INSERT INTO store_secrets (store_id, sealed) VALUES ($1, $2)
ON CONFLICT (store_id) DO UPDATE SET sealed = excluded.sealed;

-- name: erase_secrets
-- Takes a store's secrets away.
DELETE FROM store_secrets WHERE store_id = $1;

-- name: take_turn
-- Waits for this store's turn; only secrets are locked, not the store.
SELECT sealed FROM store_secrets WHERE store_id = $1 FOR UPDATE;

-- name: replace_secrets
-- Replaces secrets within a turn; erased ones stay erased.
UPDATE store_secrets SET sealed = $2 WHERE store_id = $1;

-- name: insert_authorization
-- Remembers a seller on the way to the platform.
INSERT INTO authorizations (state_digest, store_id, platform, memory, expires_at) VALUES ($1, $2, $3, $4, $5);

-- name: take_authorization
-- Gives an authorization back once; an expired one stays for the janitor.
DELETE FROM authorizations WHERE state_digest = $1 AND expires_at > $2
RETURNING state_digest, store_id, platform, memory, expires_at;

-- name: forget_expired_authorizations
-- Forgets sellers who did not come back.
DELETE FROM authorizations WHERE expires_at <= $1;
