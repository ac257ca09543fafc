-- name: insert_key
-- Keeps a new API key by its digest.
INSERT INTO api_keys (key_id, digest, seller_id, scopes, label, created_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: find_key
-- One key that still opens, by its public id.
SELECT key_id, digest, seller_id, scopes, label, created_at, last_used_at
FROM api_keys
WHERE key_id = $1 AND revoked_at IS NULL;

-- name: list_keys
-- All keys of a seller, for showing; digests stay inside.
SELECT key_id, seller_id, scopes, label, created_at, last_used_at, revoked_at
FROM api_keys
WHERE seller_id = $1
ORDER BY created_at, key_id;

-- name: revoke_key
-- Ends a key; tells whether it was open until now.
UPDATE api_keys SET revoked_at = $2
WHERE key_id = $1 AND revoked_at IS NULL
RETURNING key_id;

-- name: note_use
-- Remembers that a key was used, unless somebody just did: $3 is the moment after which a note is still fresh.
UPDATE api_keys SET last_used_at = $2
WHERE key_id = $1 AND (last_used_at IS NULL OR last_used_at < $3);

-- name: begin_writes
-- Claims idempotency keys, each once in a call; takes one over that ended without an answer ($5) or is expired ($6).
INSERT INTO idempotent_writes AS held (owner, idempotency_key, request_digest, started_at)
SELECT asked.owner, asked.idempotency_key, asked.request_digest, $4
FROM unnest($1::text[], $2::text[], $3::bytea[]) AS asked (owner, idempotency_key, request_digest)
ORDER BY asked.owner, asked.idempotency_key
ON CONFLICT (owner, idempotency_key) DO UPDATE
SET request_digest = excluded.request_digest, started_at = excluded.started_at, status = NULL, answer = NULL
WHERE held.started_at < $6
   OR (held.status IS NULL AND held.started_at < $5 AND held.request_digest = excluded.request_digest)
RETURNING owner, idempotency_key, started_at;

-- name: find_write
-- What is known of a claimed idempotency key.
SELECT request_digest, started_at, status, answer
FROM idempotent_writes
WHERE owner = $1 AND idempotency_key = $2;

-- name: finish_writes
-- Keeps the answers of writes for their repetitions, unless another one took a claim over meanwhile.
UPDATE idempotent_writes AS held SET status = ended.status, answer = ended.answer
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::integer[], $5::bytea[])
    AS ended (owner, idempotency_key, started_at, status, answer)
WHERE (held.owner, held.idempotency_key, held.started_at) = (ended.owner, ended.idempotency_key, ended.started_at);

-- name: abandon_write
-- Lets a write that failed be tried again under its key.
DELETE FROM idempotent_writes
WHERE owner = $1 AND idempotency_key = $2 AND started_at = $3 AND status IS NULL;

-- name: forget_old_writes
-- Removes answers that are past their time.
DELETE FROM idempotent_writes WHERE started_at < $1;
