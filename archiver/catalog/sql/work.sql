-- name: now
-- The catalog's clock.
SELECT clock_timestamp()

-- name: claim
-- Take what is due under new leases, the earliest-expiring first, as far as the account has slots; a pass takes each
-- once, whether it is due or not. Where only what is due is asked for, a recording goes on with the attempts that it has
-- left before it begins with another pass. $1 account's name, $2 limit, $3 lease, $4 start of the pass, $5 attempts per
-- pass, $6 since, $7 until, $8 whether due only, $9 slots of the account (null: no bound).
WITH free AS (
    SELECT number FROM account_slots
    WHERE account_id = (SELECT id FROM accounts WHERE name = $1) AND number <= $9::integer
      AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY number
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), due AS (
    SELECT id, pass_at IS NULL
               OR (pass_at < $4 AND NOT ($8::boolean AND pass_attempts BETWEEN 1 AND $5 - 1)) AS is_first
    FROM recordings
    WHERE account_id = (SELECT id FROM accounts WHERE name = $1)
      AND (state IN ('pending', 'stored', 'damaged') OR recheck)
      AND (lease_until IS NULL OR lease_until <= now())
      AND (pass_at IS NULL OR (pass_at < $4 AND NOT $8::boolean)
           OR ((pass_at < $4 OR (pass_attempts < $5 AND reason IS DISTINCT FROM 'not_ready'))
               AND (next_attempt_at IS NULL OR next_attempt_at <= now())))
      AND (started_at IS NULL OR (($6::timestamptz IS NULL OR started_at >= $6)
                                  AND ($7::timestamptz IS NULL OR started_at <= $7)))
    ORDER BY expires_at, started_at, id
    LIMIT CASE WHEN $9::integer IS NULL THEN $2 ELSE (SELECT count(*) FROM free) END
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE recordings r
    SET lease_id = new_lease(r.id), lease_until = now() + $3,
        pass_at = CASE WHEN due.is_first THEN greatest(now(), $4) ELSE r.pass_at END,
        pass_attempts = CASE WHEN due.is_first THEN 0 ELSE r.pass_attempts END
    FROM due WHERE r.id = due.id
    RETURNING r.*
), taken AS (
    UPDATE account_slots slot SET lease_id = pair.lease_id, lease_until = pair.lease_until
    FROM (SELECT number, lease_id, lease_until
          FROM (SELECT number, row_number() OVER (ORDER BY number) AS place FROM free) AS seat
          JOIN (SELECT lease_id, lease_until, row_number() OVER (ORDER BY id) AS place FROM claimed) AS guest
          USING (place)) AS pair
    WHERE slot.account_id = (SELECT id FROM accounts WHERE name = $1) AND slot.number = pair.number
)
SELECT * FROM claimed ORDER BY expires_at, started_at, id

-- name: lay_slots
-- Give an account its slots. $1 account's name, $2 how many.
INSERT INTO account_slots (account_id, number)
SELECT id, number FROM accounts CROSS JOIN generate_series(1, $2::integer) AS number WHERE name = $1
ON CONFLICT DO NOTHING

-- name: free_slots
-- Free the slots of leases that have ended, in order. $1 leases.
WITH held AS (
    SELECT account_id, number FROM account_slots WHERE lease_id = ANY ($1::uuid[]) ORDER BY account_id, number FOR UPDATE
)
UPDATE account_slots slot SET lease_until = NULL FROM held
WHERE slot.account_id = held.account_id AND slot.number = held.number

-- name: renew
-- Hold leases for longer, and their slots, which are locked before the recordings by all, each in order; answers those
-- still held by us. One that ran out is lost, too, when its slot was given to somebody else. $1 leases, $2 lease.
WITH seats AS (
    SELECT account_id, number, lease_id FROM account_slots
    WHERE lease_id = ANY ($1) AND lease_until IS NOT NULL ORDER BY account_id, number FOR UPDATE
), held AS (
    SELECT id FROM recordings r
    WHERE id = ANY (ARRAY(SELECT leased_row(lease) FROM unnest($1::uuid[]) AS lease))
      AND lease_id = ANY ($1) AND lease_until IS NOT NULL
      AND (lease_id IN (SELECT lease_id FROM seats) OR lease_until > now()
           OR NOT EXISTS (SELECT FROM account_slots slot WHERE slot.account_id = r.account_id))
    ORDER BY id FOR UPDATE
), seated AS (
    UPDATE account_slots slot SET lease_until = now() + $2 FROM seats
    WHERE slot.account_id = seats.account_id AND slot.number = seats.number
)
UPDATE recordings r SET lease_until = now() + $2 FROM held
WHERE r.id = held.id AND r.id = ANY (ARRAY(SELECT leased_row(lease) FROM unnest($1::uuid[]) AS lease))
RETURNING r.lease_id

-- name: living
-- Which leases hold a recording now. $1 leases.
SELECT lease_id FROM recordings
WHERE id = ANY (ARRAY(SELECT leased_row(lease) FROM unnest($1::uuid[]) AS lease))
  AND lease_id = ANY ($1) AND lease_until > now()

-- name: lock_claims
-- Lock the rows of leases that nobody took over, in the order of the rows; answers those leases. $1 leases.
SELECT lease_id FROM recordings
WHERE id = ANY (ARRAY(SELECT leased_row(lease) FROM unnest($1::uuid[]) AS lease)) AND lease_id = ANY ($1)
ORDER BY id FOR UPDATE

-- name: settle_stored
-- The object is durable; its key is fixed at the first store, and the lease goes on. A suspect has used an attempt, and
-- is to be fetched once more unless the same bytes were confirmed before. $1 rows, $2 keys, $3 formats, $4 sizes in
-- bytes, $5 digests, $6 storage urls, $7 why they are suspect.
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::text[], $7::text[])
         AS row (id, key, format, size_bytes, sha256, storage_url, suspect)
), verdict AS (
    SELECT outcome.*, r.suspect AS former_suspect, r.sha256 AS former_sha256,
           outcome.suspect IS NOT NULL AND (r.recheck OR r.sha256 IS DISTINCT FROM outcome.sha256) AS recheck
    FROM outcome JOIN recordings r ON r.id = outcome.id WHERE r.id = ANY ($1)
), settled AS (
    UPDATE recordings r
    SET state = 'stored', key = coalesce(r.key, verdict.key), format = verdict.format,
        size_bytes = verdict.size_bytes, sha256 = verdict.sha256, storage_url = verdict.storage_url,
        suspect = verdict.suspect, recheck = verdict.recheck, refused_sha256 = NULL,
        pass_attempts = r.pass_attempts + CASE WHEN verdict.recheck THEN 1 ELSE 0 END,
        stored_at = now(), verified_at = NULL, verified_by = NULL, reason = NULL, error = NULL,
        next_attempt_at = NULL, item_missing_at = NULL
    FROM verdict
    WHERE r.id = ANY ($1) AND r.id = verdict.id AND r.lease_until IS NOT NULL AND r.state <> 'stored'
    RETURNING r.id, r.key, r.format, r.size_bytes, r.sha256, r.suspect, verdict.former_suspect, verdict.former_sha256
)
INSERT INTO events (recording, name, facts)
SELECT id, 'stored', jsonb_strip_nulls(jsonb_build_object(
    'key', key, 'format', format, 'size', size_bytes, 'sha256', encode(sha256, 'hex'), 'suspect', suspect,
    'was_suspect', former_suspect,
    'replaced', CASE WHEN former_sha256 <> sha256 THEN encode(former_sha256, 'hex') END))
FROM settled ORDER BY id

-- name: settle_verified
-- Read back and equal. $1 rows, $2 how far the readings reached.
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::text[]) AS row (id, method)
), settled AS (
    UPDATE recordings r
    SET state = CASE r.state WHEN 'remote_deleted' THEN r.state ELSE 'verified' END, verified_at = now(),
        verified_by = outcome.method, attempts = 0, error = NULL, next_attempt_at = NULL, lease_until = NULL
    FROM outcome WHERE r.id = ANY ($1) AND r.id = outcome.id AND r.lease_until IS NOT NULL
    RETURNING r.id, r.verified_by
)
INSERT INTO events (recording, name, facts)
SELECT id, 'verified', jsonb_build_object('by', verified_by) FROM settled ORDER BY id

-- name: settle_damaged
-- Other bytes than ours were read back, or none. $1 rows, $2 errors, $3 delays.
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::interval[]) AS row (id, error, delay)
), settled AS (
    UPDATE recordings r
    SET state = 'damaged', error = outcome.error, next_attempt_at = now() + outcome.delay, attempts = r.attempts + 1,
        pass_attempts = r.pass_attempts + 1, verified_at = NULL, verified_by = NULL, lease_until = NULL
    FROM outcome WHERE r.id = ANY ($1) AND r.id = outcome.id AND r.lease_until IS NOT NULL
    RETURNING r.id, r.error
)
INSERT INTO events (recording, name, facts)
SELECT id, 'damaged', jsonb_build_object('error', error) FROM settled ORDER BY id

-- name: settle_retry
-- The attempt failed and is counted. What was never stored, is denied by id and missing from a complete full walk is
-- gone. $1 rows, $2 errors, $3 delays, $4 whether the provider denied the recording, $5 digests of doubtful bodies.
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::interval[], $4::boolean[], $5::bytea[])
         AS row (id, error, delay, is_missing, refused)
), verdict AS (
    SELECT outcome.*, r.state = 'pending' AS is_pending,
           r.state = 'pending' AND r.key IS NULL AND r.remote_missing_at IS NOT NULL
               AND (outcome.is_missing OR r.item_missing_at IS NOT NULL) AS is_gone
    FROM outcome JOIN recordings r ON r.id = outcome.id WHERE r.id = ANY ($1)
), settled AS (
    UPDATE recordings r
    SET state = CASE WHEN verdict.is_gone THEN 'gone' ELSE r.state END,
        reason = CASE WHEN verdict.is_pending AND NOT verdict.is_gone THEN 'retry' END,
        error = verdict.error,
        next_attempt_at = CASE WHEN NOT verdict.is_gone THEN now() + verdict.delay END,
        item_missing_at = CASE WHEN verdict.is_missing THEN now() ELSE r.item_missing_at END,
        refused_sha256 = CASE WHEN r.pass_attempts = 0 OR r.refused_sha256 = verdict.refused THEN verdict.refused END,
        attempts = r.attempts + 1, pass_attempts = r.pass_attempts + 1, lease_until = NULL
    FROM verdict WHERE r.id = ANY ($1) AND r.id = verdict.id AND r.lease_until IS NOT NULL
    RETURNING r.id, r.attempts, r.error, verdict.is_gone
)
INSERT INTO events (recording, name, facts)
SELECT id, CASE WHEN is_gone THEN 'gone' ELSE 'retry' END, jsonb_build_object('error', error, 'attempts', attempts)
FROM settled ORDER BY id

-- name: settle_wait
-- The media is not there yet; no attempt is counted, and only the first wait in a row is an event.
-- $1 rows, $2 errors, $3 delays.
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::interval[]) AS row (id, error, delay)
), verdict AS (
    SELECT outcome.*, r.state = 'pending' AS is_pending, r.reason = 'not_ready' AS was_waiting
    FROM outcome JOIN recordings r ON r.id = outcome.id WHERE r.id = ANY ($1)
), settled AS (
    UPDATE recordings r
    SET reason = CASE WHEN verdict.is_pending THEN 'not_ready' END, error = verdict.error,
        next_attempt_at = now() + verdict.delay, lease_until = NULL
    FROM verdict WHERE r.id = ANY ($1) AND r.id = verdict.id AND r.lease_until IS NOT NULL
    RETURNING r.id, r.error, verdict.was_waiting
)
INSERT INTO events (recording, name, facts)
SELECT id, 'waiting', jsonb_build_object('error', error) FROM settled WHERE was_waiting IS NOT TRUE ORDER BY id

-- name: settle_failed
-- Permanent evidence. What was once stored keeps its state and comes again after the longest back-off.
-- $1 rows, $2 errors.
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::text[]) AS row (id, error)
), settled AS (
    UPDATE recordings r
    SET state = CASE r.state WHEN 'pending' THEN 'failed' ELSE r.state END, reason = NULL, error = outcome.error,
        next_attempt_at = CASE WHEN r.state <> 'pending' THEN now() + interval '6 hours' END,
        attempts = r.attempts + 1, pass_attempts = r.pass_attempts + 1, lease_until = NULL
    FROM outcome WHERE r.id = ANY ($1) AND r.id = outcome.id AND r.lease_until IS NOT NULL
    RETURNING r.id, r.error
)
INSERT INTO events (recording, name, facts)
SELECT id, 'failed', jsonb_build_object('error', error) FROM settled ORDER BY id

-- name: settle_confirmed
-- A suspect was fetched once more and rests. $1 rows, $2 why it may still not be the call.
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::text[]) AS row (id, suspect)
), settled AS (
    UPDATE recordings r
    SET suspect = outcome.suspect, recheck = false, refused_sha256 = NULL, attempts = 0, error = NULL,
        next_attempt_at = NULL, lease_until = NULL
    FROM outcome WHERE r.id = ANY ($1) AND r.id = outcome.id AND r.lease_until IS NOT NULL
    RETURNING r.id, r.suspect
)
INSERT INTO events (recording, name, facts)
SELECT id, 'confirmed', jsonb_build_object('suspect', suspect) FROM settled ORDER BY id

-- name: settle_released
-- Given back untouched, due at once. $1 rows.
UPDATE recordings SET lease_until = NULL, next_attempt_at = NULL WHERE id = ANY ($1) AND lease_until IS NOT NULL

-- name: outlook
-- What is left to do. $1 account's name, $2 start of the pass, $3 attempts per pass, $4 since, $5 until, $6 whether
-- only what is due counts.
WITH work AS (
    SELECT coalesce(lease_until > now(), false) AS is_leased,
           pass_at IS NULL OR (pass_at < $2 AND NOT $6::boolean) AS is_first, $6 AND pass_at < $2 AS has_turn,
           pass_attempts < $3 AND reason IS DISTINCT FROM 'not_ready' AS has_attempts,
           next_attempt_at IS NULL OR next_attempt_at <= now() AS is_due,
           CASE WHEN next_attempt_at IS NOT NULL THEN greatest(next_attempt_at, now()) - now() END AS wait,
           state <> 'verified' AS is_unarchived
    FROM recordings
    WHERE account_id = (SELECT id FROM accounts WHERE name = $1)
      AND (state IN ('pending', 'stored', 'damaged') OR recheck)
      AND (started_at IS NULL OR (($4::timestamptz IS NULL OR started_at >= $4)
                                  AND ($5::timestamptz IS NULL OR started_at <= $5)))
)
SELECT count(*) FILTER (WHERE NOT is_leased AND (is_first OR ((has_attempts OR has_turn) AND is_due))) AS claimable,
       min(wait) FILTER (WHERE NOT is_leased AND NOT is_first AND (has_attempts OR has_turn)) AS retry_in,
       min(wait) FILTER (WHERE NOT is_leased) AS due_in,
       count(*) FILTER (WHERE is_leased) AS leased,
       count(*) FILTER (WHERE is_unarchived) AS left
FROM work
