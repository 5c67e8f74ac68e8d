-- name: claim_kept
-- Take kept copies to read back under new leases, those first that were not read for the longest time, behind a place.
-- $1 account's name, $2 rows (null: all), $3 not read since, $4 and $5 the place, $6 limit, $7 lease.
WITH due AS (
    SELECT id FROM recordings
    WHERE account_id = (SELECT id FROM accounts WHERE name = $1)
      AND state IN ('stored', 'verified', 'damaged', 'remote_deleted')
      AND ($2::bigint[] IS NULL OR id = ANY ($2))
      AND coalesce(verified_at, '-infinity') <= $3
      AND (coalesce(verified_at, '-infinity'), id) > ($4::timestamptz, $5::bigint)
      AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY coalesce(verified_at, '-infinity'), id
    LIMIT $6
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE recordings r SET lease_id = new_lease(r.id), lease_until = now() + $7
    FROM due WHERE r.id = due.id
    RETURNING r.*
)
SELECT * FROM claimed ORDER BY coalesce(verified_at, '-infinity'), id

-- name: count_kept
-- How many copies there are to read back. $1 account's name, $2 rows (null: all), $3 not read since.
SELECT count(*) FROM recordings
WHERE account_id = (SELECT id FROM accounts WHERE name = $1)
  AND state IN ('stored', 'verified', 'damaged', 'remote_deleted')
  AND ($2::bigint[] IS NULL OR id = ANY ($2))
  AND coalesce(verified_at, '-infinity') <= $3

-- name: reopen
-- Make what failed, is damaged or waits due now, with all attempts of a pass before it; a suspect that is named is
-- fetched once more. What somebody works on is left to them. $1 account's name, $2 rows (null: all).
WITH due AS (
    SELECT id, state, suspect IS NOT NULL AND state = 'verified' AS is_recheck FROM recordings
    WHERE account_id = (SELECT id FROM accounts WHERE name = $1)
      AND (state IN ('damaged', 'failed') OR state = 'pending' AND (reason IS NOT NULL OR next_attempt_at IS NOT NULL)
           OR $2::bigint[] IS NOT NULL AND state = 'verified' AND suspect IS NOT NULL)
      AND ($2::bigint[] IS NULL OR id = ANY ($2))
      AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY id FOR UPDATE
), reopened AS (
    UPDATE recordings r
    SET state = CASE r.state WHEN 'failed' THEN 'pending' ELSE r.state END, reason = NULL, next_attempt_at = NULL,
        pass_at = NULL, pass_attempts = 0, refused_sha256 = NULL, recheck = r.recheck OR due.is_recheck,
        lease_id = NULL, lease_until = NULL
    FROM due WHERE r.id = due.id
    RETURNING r.id, due.state
), noted AS (
    INSERT INTO events (recording, name, facts)
    SELECT id, 'reopened', jsonb_build_object('was', state) FROM reopened ORDER BY id
)
SELECT count(*) FROM reopened
