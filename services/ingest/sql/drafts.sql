-- name: drafts_of_seller
-- A seller's drafts, the one changed last first.
SELECT * FROM drafts WHERE seller_id = $1 ORDER BY changed_at DESC, draft_id;

-- name: draft
-- One draft.
SELECT * FROM drafts WHERE seller_id = $1 AND draft_id = $2;

-- name: alone_with_drafts
-- Lets one write at a time count a seller's drafts.
SELECT pg_advisory_xact_lock(hashtextextended('drafts ' || $1, 0));

-- name: put_draft
-- Keeps a draft in place of its earlier form, unless its seller has $7 others.
INSERT INTO drafts (seller_id, draft_id, store_id, order_keys, changed_at, sealed)
SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(*) FROM drafts WHERE seller_id = $1 AND draft_id <> $2) < $7
ON CONFLICT (seller_id, draft_id) DO UPDATE
SET store_id = excluded.store_id, order_keys = excluded.order_keys, changed_at = excluded.changed_at,
    sealed = excluded.sealed
RETURNING draft_id;

-- name: remove_draft
-- Forgets one draft.
DELETE FROM drafts WHERE seller_id = $1 AND draft_id = $2;

-- name: forget_drafts
-- Forgets what nobody went on with.
DELETE FROM drafts WHERE changed_at < $1;

-- name: erase_drafts
-- Forgets the drafts of some stores and about some orders.
DELETE FROM drafts WHERE store_id = ANY($1::text[]) OR order_keys && $2::text[] RETURNING draft_id;
