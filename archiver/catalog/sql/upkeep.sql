-- name: begin_folding
-- Whether this transaction may fold; only one does at a time, the others need not. $1 key of the advisory lock.
SELECT pg_try_advisory_xact_lock($1)

-- name: fold
-- Fold the deltas of the counts by state into one row per account and state. Writers append meanwhile, unhindered.
WITH folded AS (
    DELETE FROM state_deltas RETURNING account_id, state, rows, bytes
)
INSERT INTO state_deltas (account_id, state, rows, bytes)
SELECT account_id, state, sum(rows), sum(bytes) FROM folded
GROUP BY account_id, state HAVING sum(rows) <> 0 OR sum(bytes) <> 0

-- name: forget_seen
-- Remove what walks saw that ended more than an hour ago, a bounded number of rows at a time. $1 rows at most.
WITH over AS MATERIALIZED (
    SELECT id FROM walks WHERE NOT is_forgotten AND ended_at < now() - interval '1 hour' ORDER BY id LIMIT 100
)
DELETE FROM walk_seen
WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM walk_seen s JOIN over ON over.id = s.walk_id LIMIT $1))

-- name: forget_walks
-- Mark the walks whose seen rows are all removed.
UPDATE walks SET is_forgotten = true
WHERE id IN (
    SELECT id FROM walks w
    WHERE NOT is_forgotten AND ended_at < now() - interval '1 hour'
      AND NOT EXISTS (SELECT FROM walk_seen s WHERE s.walk_id = w.id)
    ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)
