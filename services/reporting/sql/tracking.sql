-- name: list_parcels
-- A seller's parcels, last shipped first.
SELECT parcel.*, COALESCE(known.display_name, known.heard_display_name) AS display_name
FROM parcels AS parcel
LEFT JOIN orders AS known ON known.order_key = parcel.order_key
WHERE
    parcel.seller_id = $1
    AND ($2::text IS NULL OR parcel.platform = $2)
    AND ($3::text IS NULL OR parcel.store_id = $3)
    AND ($4::text IS NULL OR parcel.state = $4)
    AND ($5::text IS NULL OR parcel.code = $5)
    AND ($6::timestamptz IS NULL OR parcel.shipped_at >= $6)
    AND ($7::timestamptz IS NULL OR parcel.shipped_at < $7)
    AND ($8::timestamptz IS NULL OR (parcel.shipped_at, parcel.push_id) < ($8, $9::text))
ORDER BY parcel.shipped_at DESC, parcel.push_id DESC
LIMIT $10;

-- name: find_parcel
-- One parcel of a seller.
SELECT parcel.*, COALESCE(known.display_name, known.heard_display_name) AS display_name
FROM parcels AS parcel
LEFT JOIN orders AS known ON known.order_key = parcel.order_key
WHERE parcel.seller_id = $1 AND parcel.push_id = $2;

-- name: count_parcels
-- A seller's parcels by store, state and code, with what the one that changed last says.
SELECT
    store_id,
    platform,
    state,
    code,
    count(*) AS parcels,
    min(changed_at) AS since,
    (array_agg(problem ORDER BY changed_at DESC, push_id DESC))[1] AS problem
FROM parcels
WHERE
    seller_id = $1
    AND ($2::text IS NULL OR platform = $2)
    AND ($3::text IS NULL OR store_id = $3)
    AND ($4::text IS NULL OR state = $4)
    AND ($5::text IS NULL OR code = $5)
    AND ($6::timestamptz IS NULL OR shipped_at >= $6)
    AND ($7::timestamptz IS NULL OR shipped_at < $7)
GROUP BY store_id, platform, state, code;
