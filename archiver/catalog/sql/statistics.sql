-- name: throughput
-- Objects and bytes stored by hour, hours without any included; only the events of these are read. $1 window.
WITH hours AS (
    SELECT date_trunc('hour', at, 'UTC') AS hour, count(*) AS count, sum((facts ->> 'size')::bigint)::bigint AS bytes
    FROM events WHERE name = 'stored' AND at >= date_trunc('hour', now() - $1::interval, 'UTC')
    GROUP BY 1
)
SELECT begins_at, coalesce(count, 0) AS count, coalesce(bytes, 0) AS bytes
FROM generate_series(date_trunc('hour', now() - $1::interval, 'UTC'), now(), interval '1 hour') AS begins_at
LEFT JOIN hours ON hour = begins_at
ORDER BY begins_at

-- name: troubled
-- The latest recordings of each account that failed, are damaged, or suspect. $1 how many of each.
SELECT a.name AS account, latest.recording_id, latest.state, latest.is_suspect, latest.reason, latest.started_at
FROM accounts a
CROSS JOIN LATERAL (
    (SELECT recording_id, state, false AS is_suspect, coalesce(error, '') AS reason, started_at FROM recordings r
     WHERE r.account_id = a.id AND r.state = 'damaged' ORDER BY coalesce(r.started_at, '-infinity') DESC, r.id DESC
     LIMIT $1)
    UNION ALL
    (SELECT recording_id, state, false, coalesce(error, ''), started_at FROM recordings r
     WHERE r.account_id = a.id AND r.state = 'failed' ORDER BY coalesce(r.started_at, '-infinity') DESC, r.id DESC
     LIMIT $1)
    UNION ALL
    (SELECT recording_id, state, true, suspect, started_at FROM recordings r
     WHERE r.account_id = a.id AND r.suspect IS NOT NULL ORDER BY coalesce(r.started_at, '-infinity') DESC, r.id DESC
     LIMIT $1)
) AS latest
ORDER BY a.name COLLATE "C", latest.started_at DESC NULLS LAST

-- name: waiting
-- The most urgent recordings of each account that are not archived, in the order of claims and by their index: said
-- like this, the other index of the same rows does not fit. $1 how many of each.
SELECT a.name AS account, first.recording_id, first.reason, first.error, first.attempts, first.first_seen_at,
       first.next_attempt_at, first.expires_at
FROM accounts a
CROSS JOIN LATERAL (
    SELECT * FROM recordings r
    WHERE r.account_id = a.id AND (r.state IN ('pending', 'stored', 'damaged') OR r.recheck)
      AND r.state <> 'stored' AND r.state <> 'verified'
    ORDER BY r.expires_at, r.started_at, r.id LIMIT $1
) AS first
ORDER BY a.name COLLATE "C", first.expires_at, first.started_at, first.id
