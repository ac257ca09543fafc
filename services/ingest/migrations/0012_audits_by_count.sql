-- Audits that count instead of listing.

ALTER TABLE audits
    ADD COLUMN proof text NOT NULL DEFAULT 'list' CHECK (proof IN ('list', 'count'));
COMMENT ON COLUMN audits.proof IS 'what the report is compared with: the platform''s list, or its counts alone';

ALTER TABLE audit_answers ADD COLUMN counted jsonb;
COMMENT ON COLUMN audit_answers.counted IS 'of a count: whether the report has as many, and when the newest changed';
