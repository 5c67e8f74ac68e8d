-- name: enrol
-- Enrol an account unless its name is known. $1 name, $2 provider, $3 real id.
INSERT INTO accounts (name, provider, real_id) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING

-- name: account
-- Who an account is. $1 name.
SELECT id, provider, real_id FROM accounts WHERE name = $1

-- name: lock_account
-- Let exclusive walks of an account begin one after the other. $1 account.
SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE

-- name: held_walk
-- How long another walk over a listing is still held; null when none is. $1 account, $2 listing.
SELECT max(lease_until) - now() FROM walks
WHERE account_id = $1 AND listing = $2 AND kind IN ('full', 'incremental') AND ended_at IS NULL AND lease_until > now()

-- name: tell_of_work
-- Tell every listener that a walk found something to fetch. $1 walk, $2 channel.
SELECT pg_notify($2, a.name) FROM walks w JOIN accounts a ON a.id = w.account_id WHERE w.id = $1

-- name: stand
-- What an incremental walk stands on: the newest watermark of the complete walks over a listing that began as early as
-- it does, and the order that the last complete full one proved; null for what there is not.
-- $1 account, $2 listing, $3 since.
SELECT (SELECT max(w.watermark) FROM walks w
        WHERE w.account_id = $1 AND w.listing = $2 AND w.ended_at IS NOT NULL AND w.doubt IS NULL
          AND w.kind <> 'bounded' AND (w.since IS NULL OR w.since <= $3)) AS watermark,
       (SELECT w.proven_order FROM walks w
        WHERE w.account_id = $1 AND w.listing = $2 AND w.ended_at IS NOT NULL AND w.doubt IS NULL AND w.kind = 'full'
        ORDER BY w.ended_at DESC, w.id DESC LIMIT 1) AS proven_order

-- name: resumable_walk
-- Lock the last interrupted full walk that may be gone on with.
-- $1 account, $2 listing, $3 age of the last page at most.
SELECT w.id, w.started_at, w.since, w.until, w.cursor, w.round, w.least_total, w.trace
FROM walks w
WHERE w.account_id = $1 AND w.listing = $2 AND w.kind = 'full' AND w.ended_at IS NULL
  AND (w.lease_until IS NULL OR w.lease_until <= now()) AND w.last_page_at > now() - $3::interval
ORDER BY w.id DESC LIMIT 1
FOR UPDATE OF w SKIP LOCKED

-- name: end_interrupted
-- End the walks that nobody holds, since another one begins in their place. $1 account, $2 listing, $3 kind.
UPDATE walks SET ended_at = now(), doubt = 'interrupted', lease_until = NULL
WHERE id IN (
    SELECT id FROM walks
    WHERE account_id = $1 AND listing = $2 AND kind = $3 AND ended_at IS NULL
      AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY id FOR UPDATE SKIP LOCKED)

-- name: begin_walk
-- Begin a walk under a lease. $1 account, $2 listing, $3 kind, $4 since, $5 until, $6 lease, $7 lag.
INSERT INTO walks (account_id, listing, kind, since, until, lease, lease_until, watermark)
VALUES ($1, $2, $3, $4, $5, $6, now() + $6, now() - $7::interval)
RETURNING id, started_at

-- name: hold_walk
-- Hold a walk that has not ended for another lease from now. $1 walk, $2 lease.
UPDATE walks SET lease = $2, lease_until = now() + $2 WHERE id = $1 AND ended_at IS NULL RETURNING id

-- name: release_walk
-- Give a walk back. $1 walk.
UPDATE walks SET lease_until = NULL WHERE id = $1 AND ended_at IS NULL

-- name: lock_walk
-- Lock a walk for as long as the transaction lasts. $1 walk.
SELECT id, account_id, listing, kind, ended_at, doubt, seen, last_page, last_fresh, last_new,
       pages, listed, new, malformed
FROM walks WHERE id = $1 FOR UPDATE

-- name: compare
-- Which rows of a page must be written; nothing is locked. $1 account, $2 recording ids, $3 fingerprints,
-- $4 whether ready, $5 whether excluded, $6 whether the walk is full.
SELECT page.place - 1 AS place, r.id IS NOT NULL AS is_known,
       r.fingerprint <> page.fingerprint OR r.is_ready <> page.is_ready AS is_changed
FROM unnest($2::text[], $3::bytea[], $4::boolean[], $5::boolean[]) WITH ORDINALITY
     AS page (recording_id, fingerprint, is_ready, is_excluded, place)
LEFT JOIN recordings r ON r.account_id = $1 AND r.recording_id = page.recording_id
WHERE r.id IS NULL OR r.fingerprint <> page.fingerprint OR r.is_ready <> page.is_ready
   OR r.remote_missing_at IS NOT NULL
   OR r.state <> listed_state(r.state, page.is_excluded, $6, coalesce(r.lease_until > now(), false))

-- name: insert_recordings
-- Record unknown recordings, in the order of their ids, with an event each. $1 account, $2 rows as a JSON array.
WITH page AS (
    SELECT * FROM jsonb_to_recordset($2::text::jsonb) AS row (
        recording_id text, listing text, started_at timestamptz, expires_at timestamptz, duration_us bigint,
        direction text, from_number text, to_number text, type text, claimed_format text, claimed_size bigint,
        is_ready boolean, is_excluded boolean, document jsonb, redacted text[], fingerprint bytea)
), inserted AS (
    INSERT INTO recordings (account_id, recording_id, listing, started_at, expires_at, duration, direction,
                            from_number, to_number, type, claimed_format, claimed_size, is_ready, document, redacted,
                            fingerprint, state, reason)
    SELECT $1, recording_id, listing, started_at, expires_at, duration_us * interval '1 microsecond', direction,
           from_number, to_number, type, claimed_format, claimed_size, is_ready, document, redacted, fingerprint,
           CASE WHEN is_excluded THEN 'excluded' ELSE 'pending' END,
           CASE WHEN NOT is_excluded AND NOT is_ready THEN 'not_ready' END
    FROM page ORDER BY recording_id COLLATE "C"
    ON CONFLICT (account_id, recording_id) DO NOTHING
    RETURNING id, listing, state
), noted AS (
    INSERT INTO events (recording, name, facts)
    SELECT id, 'recorded', jsonb_build_object('listing', listing, 'state', state) FROM inserted ORDER BY id
)
SELECT count(*) FROM inserted

-- name: lock_recordings
-- Lock known recordings in the order of their rows, as everybody does, which spares deadlocks. $1 account,
-- $2 recording ids.
SELECT id FROM recordings WHERE account_id = $1 AND recording_id = ANY ($2::text[]) ORDER BY id FOR UPDATE

-- name: rewrite_recordings
-- Write what changed in known recordings, locked before, with an event each. What is stored stays as it is; one that
-- became ready is due. $1 account, $2 rows as a JSON array.
WITH page AS (
    SELECT * FROM jsonb_to_recordset($2::text::jsonb) AS row (
        recording_id text, listing text, started_at timestamptz, expires_at timestamptz, duration_us bigint,
        direction text, from_number text, to_number text, type text, claimed_format text, claimed_size bigint,
        is_ready boolean, document jsonb, redacted text[], fingerprint bytea)
), known AS (
    SELECT r.id, r.fingerprint AS former, r.reason = 'not_ready' AND page.is_ready AND NOT r.is_ready AS is_due, page.*
    FROM page JOIN recordings r ON r.account_id = $1 AND r.recording_id = page.recording_id
    WHERE r.fingerprint <> page.fingerprint OR r.is_ready <> page.is_ready
), changed AS (
    UPDATE recordings r
    SET listing = known.listing, started_at = known.started_at, expires_at = known.expires_at,
        duration = known.duration_us * interval '1 microsecond', direction = known.direction,
        from_number = known.from_number, to_number = known.to_number, type = known.type,
        claimed_format = known.claimed_format, claimed_size = known.claimed_size, is_ready = known.is_ready,
        document = known.document, redacted = known.redacted, fingerprint = known.fingerprint,
        reason = CASE WHEN known.is_due THEN NULL ELSE r.reason END,
        next_attempt_at = CASE WHEN known.is_due THEN NULL ELSE r.next_attempt_at END
    FROM known WHERE r.id = known.id
    RETURNING r.id, known.former, r.fingerprint
)
INSERT INTO events (recording, name, facts)
SELECT id, 'changed', jsonb_build_object('former', encode(former, 'hex'), 'fingerprint', encode(fingerprint, 'hex'))
FROM changed ORDER BY id

-- name: relist_recordings
-- Write what being listed again changes in known recordings, locked before: they are not missing any more, what failed
-- or was gone is pending again, the filter's verdict counts. A lease that ran out is fenced off. $1 account,
-- $2 recording ids, $3 whether excluded, $4 whether the walk is full.
WITH known AS (
    SELECT r.id, r.state AS before, r.remote_missing_at IS NOT NULL AS was_missing,
           listed_state(r.state, page.is_excluded, $4, coalesce(r.lease_until > now(), false)) AS after
    FROM unnest($2::text[], $3::boolean[]) AS page (recording_id, is_excluded)
    JOIN recordings r ON r.account_id = $1 AND r.recording_id = page.recording_id
), relisted AS (
    UPDATE recordings r
    SET state = known.after, remote_missing_at = NULL,
        item_missing_at = CASE WHEN known.was_missing THEN NULL ELSE r.item_missing_at END,
        reason = CASE WHEN known.before = known.after THEN r.reason END,
        next_attempt_at = CASE WHEN known.before = known.after THEN r.next_attempt_at END,
        lease_id = CASE WHEN known.before = known.after THEN r.lease_id END,
        lease_until = CASE WHEN known.before = known.after THEN r.lease_until END
    FROM known WHERE r.id = known.id AND (known.before <> known.after OR known.was_missing)
    RETURNING r.id, known.before, known.after
)
INSERT INTO events (recording, name, facts)
SELECT id, CASE WHEN before = after THEN 'listed_again' ELSE after END, jsonb_build_object('was', before)
FROM relisted ORDER BY id

-- name: quarantine
-- Keep malformed rows aside, each once. $1 account, $2 listings, $3 fingerprints, $4 reasons, $5 documents.
INSERT INTO quarantine (account_id, listing, fingerprint, reason, document)
SELECT DISTINCT ON (row.listing, row.fingerprint) $1::integer, row.listing, row.fingerprint, row.reason, row.document
FROM unnest($2::text[], $3::bytea[], $4::text[], $5::text[]) AS row (listing, fingerprint, reason, document)
ORDER BY row.listing, row.fingerprint
ON CONFLICT (account_id, listing, fingerprint) DO UPDATE SET last_seen_at = now()

-- name: see
-- Note what a page came past; counts what the walk had not seen before, and what only this round had not.
-- $1 walk, $2 keys, $3 whether malformed, $4 whether listed, $5 round. Keys are distinct per malformed and not.
WITH page AS (
    SELECT * FROM unnest($2::text[], $3::boolean[], $4::boolean[]) AS row (key, is_malformed, is_listed)
), first AS (
    INSERT INTO walk_seen (walk_id, key, is_malformed, is_listed, round)
    SELECT $1, key, is_malformed, is_listed, $5 FROM page
    ON CONFLICT DO NOTHING
    RETURNING 1
), again AS (
    UPDATE walk_seen s SET round = $5, is_listed = s.is_listed OR page.is_listed
    FROM page
    WHERE s.walk_id = $1 AND s.is_malformed = page.is_malformed AND s.key = page.key
      AND (s.round < $5 OR page.is_listed AND NOT s.is_listed)
    RETURNING s.round
)
SELECT (SELECT count(*) FROM first) AS first, (SELECT count(*) FROM again) AS again

-- name: advance_walk
-- Move a walk behind a page and renew its lease; the same page again is not counted. $1 walk, $2 cursor, $3 round,
-- $4 least total, $5 trace, $6 digest of the page, $7 seen so far, $8 fresh and $9 new on this page.
UPDATE walks
SET cursor = $2, round = $3, least_total = $4, trace = $5, last_page = $6, seen = $7, last_fresh = $8, last_new = $9,
    new = new + $9, pages = pages + CASE WHEN last_page IS DISTINCT FROM $6 THEN 1 ELSE 0 END,
    last_page_at = now(), lease_until = now() + lease
WHERE id = $1

-- name: note_missing
-- Note what a complete full walk did not see, unless that is too much to believe; what was recorded after the walk
-- began does not count. What was never stored and is denied by id is gone. $1 walk.
WITH walk AS (
    SELECT * FROM walks WHERE id = $1
), present AS (
    SELECT r.id, r.recording_id, r.expires_at IS NULL OR r.expires_at > now() AS is_unexpired,
           r.listing = walk.listing AND r.first_seen_at < walk.started_at
               AND (r.started_at IS NULL OR ((walk.since IS NULL OR r.started_at >= walk.since)
                                             AND (walk.until IS NULL OR r.started_at <= walk.until))) AS is_expected
    FROM walk JOIN recordings r USING (account_id)
    WHERE r.remote_missing_at IS NULL AND r.state NOT IN ('gone', 'remote_deleted')
), missing AS MATERIALIZED (
    SELECT id, is_unexpired FROM present
    WHERE is_expected AND NOT EXISTS (
        SELECT FROM walk_seen s WHERE s.walk_id = $1 AND NOT s.is_malformed AND s.key = present.recording_id)
), verdict AS (
    SELECT at_once, unexpired, at_once > 1 AND at_once * 20 > unexpired AS is_too_many
    FROM (SELECT count(*) AS at_once FROM missing WHERE is_unexpired) AS a,
         (SELECT count(*) AS unexpired FROM present WHERE is_unexpired) AS b
), held AS (
    SELECT r.id, r.state = 'pending' AND r.key IS NULL AND r.item_missing_at IS NOT NULL
                 AND (r.lease_until IS NULL OR r.lease_until <= now()) AS is_gone
    FROM missing JOIN recordings r USING (id)
    WHERE NOT (SELECT is_too_many FROM verdict)
    ORDER BY r.id FOR UPDATE OF r
), noted AS (
    UPDATE recordings r
    SET remote_missing_at = now(),
        state = CASE WHEN held.is_gone THEN 'gone' ELSE r.state END,
        reason = CASE WHEN held.is_gone THEN NULL ELSE r.reason END,
        next_attempt_at = CASE WHEN held.is_gone THEN NULL ELSE r.next_attempt_at END,
        lease_id = CASE WHEN held.is_gone THEN NULL ELSE r.lease_id END,
        lease_until = CASE WHEN held.is_gone THEN NULL ELSE r.lease_until END
    FROM held WHERE r.id = held.id
    RETURNING r.id, held.is_gone
), told AS (
    INSERT INTO events (recording, name, facts)
    SELECT id, CASE WHEN is_gone THEN 'gone' ELSE 'remote_missing' END, jsonb_build_object('walk', $1)
    FROM noted ORDER BY id
)
SELECT at_once, unexpired, is_too_many FROM verdict

-- name: is_whole
-- Whether all that a walk saw is still there: a crash of the server empties the table. $1 walk.
SELECT seen = (SELECT count(*) FROM walk_seen WHERE walk_id = $1) FROM walks WHERE id = $1

-- name: end_walk
-- End a walk and count what it listed; only a complete full one proves an order. $1 walk, $2 doubt, $3 order.
UPDATE walks
SET ended_at = now(), doubt = $2, lease_until = NULL,
    proven_order = CASE WHEN kind = 'full' AND $2::text IS NULL THEN $3::text END,
    (listed, malformed) = (SELECT count(*) FILTER (WHERE is_listed), count(*) FILTER (WHERE is_malformed)
                           FROM walk_seen WHERE walk_id = $1)
WHERE id = $1
RETURNING id, listing, doubt, pages, listed, new, malformed
