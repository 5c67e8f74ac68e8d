-- name: find
-- The next recordings of a query, newest first, behind a place. Each account's index is read as far as needed.
-- $1 account's name, $2 state, $3 whether suspect, $4 whether held, $5 since, $6 until, $7 digits of a party,
-- $8 and $9 start and row of the place, $10 how many.
SELECT a.name AS account, a.provider, r.*
FROM accounts a
CROSS JOIN LATERAL (
    SELECT * FROM recordings r
    WHERE r.account_id = a.id
      AND ($2::text IS NULL OR r.state = $2)
      AND ($3::boolean IS NULL OR ($3 AND r.suspect IS NOT NULL) OR (NOT $3 AND r.suspect IS NULL))
      AND ($4::boolean IS NULL OR ($4 AND r.held) OR (NOT $4 AND NOT r.held))
      AND (r.started_at IS NULL OR (($5::timestamptz IS NULL OR r.started_at >= $5)
                                    AND ($6::timestamptz IS NULL OR r.started_at <= $6)))
      AND ($7::text IS NULL OR is_number(r.from_number, $7) OR is_number(r.to_number, $7))
      AND (coalesce(r.started_at, '-infinity'), r.id) < ($8::timestamptz, $9::bigint)
    ORDER BY coalesce(r.started_at, '-infinity') DESC, r.id DESC
    LIMIT $10
) AS r
WHERE $1::text IS NULL OR a.name = $1
ORDER BY coalesce(r.started_at, '-infinity') DESC, r.id DESC
LIMIT $10

-- name: lookup
-- The recordings with an id. $1 recording id, $2 account's name, or null for all.
SELECT a.name AS account, a.provider, r.*
FROM accounts a JOIN recordings r ON r.account_id = a.id AND r.recording_id = $1
WHERE $2::text IS NULL OR a.name = $2
ORDER BY a.name

-- name: history
-- What happened to a recording, oldest first. $1 row.
SELECT at, name, facts FROM events WHERE recording = $1 ORDER BY id

-- name: accounts
-- Every account with what takes an index each: its oldest recording that is not archived, the next expiry among these,
-- its suspects and its malformed rows.
SELECT a.id, a.name, a.provider,
       (SELECT min(first_seen_at) FROM recordings r
        WHERE r.account_id = a.id AND r.state IN ('pending', 'damaged')) AS oldest_unarchived_at,
       (SELECT r.expires_at FROM recordings r
        WHERE r.account_id = a.id AND (r.state IN ('pending', 'stored', 'damaged') OR r.recheck)
          AND r.state <> 'stored' AND r.state <> 'verified' AND r.expires_at IS NOT NULL
        ORDER BY r.expires_at, r.started_at, r.id LIMIT 1) AS next_expiry_at,
       (SELECT count(*) FROM recordings r WHERE r.account_id = a.id AND r.suspect IS NOT NULL) AS suspects,
       (SELECT count(*) FROM quarantine q WHERE q.account_id = a.id) AS quarantined
FROM accounts a ORDER BY a.name COLLATE "C"

-- name: malformed
-- The latest malformed rows of each account. $1 how many.
SELECT a.id AS account_id, latest.listing, latest.reason, latest.last_seen_at
FROM accounts a
CROSS JOIN LATERAL (
    SELECT listing, reason, last_seen_at FROM quarantine q
    WHERE q.account_id = a.id ORDER BY last_seen_at DESC, id DESC LIMIT $1
) AS latest

-- name: counts
-- Recordings and bytes by account and state.
SELECT account_id, state, sum(rows)::bigint AS rows, sum(bytes)::bigint AS bytes
FROM state_deltas GROUP BY account_id, state

-- name: listings
-- The last walks over each listing; a bounded one is never counted as complete. Walks are many, listings few: the
-- index is entered once for each.
WITH RECURSIVE over AS (
    (SELECT account_id, listing FROM walks WHERE ended_at IS NOT NULL ORDER BY account_id, listing LIMIT 1)
    UNION ALL
    SELECT following.account_id, following.listing
    FROM over CROSS JOIN LATERAL (
        SELECT w.account_id, w.listing FROM walks w
        WHERE w.ended_at IS NOT NULL AND (w.account_id, w.listing) > (over.account_id, over.listing)
        ORDER BY w.account_id, w.listing LIMIT 1
    ) AS following
)
SELECT account_id, listing, last.ended_at AS last_at, last.doubt,
       (SELECT max(w.ended_at) FROM walks w
        WHERE w.account_id = over.account_id AND w.listing = over.listing AND w.ended_at IS NOT NULL
          AND w.kind <> 'bounded' AND w.doubt IS NULL) AS last_complete_at
FROM over
CROSS JOIN LATERAL (
    SELECT ended_at, doubt FROM walks w
    WHERE w.account_id = over.account_id AND w.listing = over.listing AND w.ended_at IS NOT NULL
    ORDER BY ended_at DESC, id DESC LIMIT 1
) AS last

-- name: walked
-- How many distinct recordings walks listed together; of a walk whose seen rows are removed, its own count. $1 walks.
SELECT (SELECT count(*) FROM (
            SELECT DISTINCT w.account_id, s.key FROM walks w JOIN walk_seen s ON s.walk_id = w.id
            WHERE w.id = ANY ($1::bigint[]) AND s.is_listed) AS distinct_ids)
     + (SELECT coalesce(sum(w.listed), 0) FROM walks w
        WHERE w.id = ANY ($1::bigint[]) AND w.listed > 0
          AND NOT EXISTS (SELECT FROM walk_seen s WHERE s.walk_id = w.id))

-- name: known
-- Which recording ids an account knows. $1 account's name, $2 recording ids.
SELECT r.recording_id FROM recordings r
WHERE r.account_id = (SELECT id FROM accounts WHERE name = $1) AND r.recording_id = ANY ($2::text[])
