-- Sellers look through the catalog: the words of each variant, under which a search finds it.

-- Each part is cut where a single word could be longer than an index takes.
ALTER TABLE catalog ADD COLUMN words tsvector NOT NULL GENERATED ALWAYS AS (
    array_to_tsvector(array_remove(regexp_split_to_array(lower(
        left(sku, 200)
        || ' ' || left(coalesce(variant::jsonb ->> 'product_name', ''), 400)
        || ' ' || left(coalesce(variant::jsonb ->> 'product_style', ''), 200)
        || ' ' || left(jsonb_path_query_array(variant::jsonb, '$.options[*].value')::text, 500)
    ), '[^[:alnum:]]+'), ''))
) STORED;
COMMENT ON COLUMN catalog.words IS 'of the SKU, the names and the options; a search compares them with what it splits likewise';
CREATE INDEX catalog_words ON catalog USING gin (words);
-- Pages go on after a SKU in the order of bytes, whatever the database's own order is.
CREATE INDEX catalog_by_sku ON catalog (sku COLLATE "C");
