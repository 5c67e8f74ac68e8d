-- Incremental walks: what each complete walk covers, and the order that full ones proved.

ALTER TABLE walks DROP CONSTRAINT walks_kind_check;
ALTER TABLE walks ADD CONSTRAINT walks_kind_check CHECK (kind IN ('full', 'incremental', 'bounded'));

-- The newest time that the walk covers once it is complete. Walks from before have none: the next one is a full one.
ALTER TABLE walks ADD COLUMN watermark timestamptz;
-- What a complete full walk proved of the listing's order.
ALTER TABLE walks ADD COLUMN proven_order text CHECK (proven_order IN ('newest_first', 'oldest_first', 'none'));
-- What the walk has seen of the listing's order so far, kept with its cursor.
ALTER TABLE walks ADD COLUMN trace text;

-- Incremental walks are many: the last complete one, full one and watermark are each found at an end of an index.
CREATE INDEX walks_complete ON walks (account_id, listing, ended_at, id)
    WHERE ended_at IS NOT NULL AND doubt IS NULL AND kind <> 'bounded';
CREATE INDEX walks_full ON walks (account_id, listing, ended_at, id)
    WHERE ended_at IS NOT NULL AND doubt IS NULL AND kind = 'full';
CREATE INDEX walks_watermark ON walks (account_id, listing, watermark)
    WHERE ended_at IS NOT NULL AND doubt IS NULL AND kind <> 'bounded' AND watermark IS NOT NULL;
