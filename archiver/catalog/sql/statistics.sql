-- name: throughput
-- Objects and bytes stored by hour, hours without any included. $1 window.
SELECT hour AS begins_at, count(e.id) AS count, coalesce(sum((e.facts ->> 'size')::bigint), 0)::bigint AS bytes
FROM generate_series(date_trunc('hour', now() - $1::interval, 'UTC'), now(), interval '1 hour') AS hour
LEFT JOIN events e ON e.name = 'stored' AND e.at >= hour AND e.at < hour + interval '1 hour'
GROUP BY hour ORDER BY hour

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
