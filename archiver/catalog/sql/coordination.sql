-- name: reserve
-- Take shares of a rate; answers the time until they may be used. $1 credential, $2 cost, $3 interval of a share,
-- $4 burst.
INSERT INTO rate_budgets AS budget (credential, full_at)
VALUES ($1, clock_timestamp() + $2::float8 * $3::interval)
ON CONFLICT (credential) DO UPDATE
SET full_at = greatest(budget.full_at, clock_timestamp()) + $2::float8 * $3::interval
RETURNING greatest(full_at - greatest($2::float8, $4::float8) * $3::interval - clock_timestamp(),
                   silent_until - clock_timestamp(), interval '0')

-- name: silence
-- Let nothing go out for a while, and then one share. $1 credential, $2 duration, $3 interval of a share, $4 burst.
INSERT INTO rate_budgets AS budget (credential, silent_until, full_at)
VALUES ($1, clock_timestamp() + $2::interval, clock_timestamp() + $2::interval + ($4::float8 - 1) * $3::interval)
ON CONFLICT (credential) DO UPDATE
SET silent_until = greatest(budget.silent_until, excluded.silent_until),
    full_at = greatest(budget.full_at, excluded.full_at)

-- name: silent_for
-- How long nothing may go out yet. $1 credential.
SELECT greatest(silent_until - clock_timestamp(), interval '0') FROM rate_budgets WHERE credential = $1

-- name: begin_run
-- Begin a scheduled run, unless it was done or somebody does it. A fire time far ahead is that of a clock that was
-- wrong. $1 account's name, $2 kind, $3 fire time, $4 lease.
INSERT INTO scheduled_runs AS run (account_id, kind, fire_at, lease_id, lease_until)
SELECT id, $2, $3, gen_random_uuid(), now() + $4::interval FROM accounts WHERE name = $1
ON CONFLICT (account_id, kind) DO UPDATE
SET fire_at = CASE WHEN run.fire_at > now() + interval '5 minutes' THEN excluded.fire_at
                   ELSE greatest(run.fire_at, excluded.fire_at) END,
    lease_id = excluded.lease_id, lease_until = excluded.lease_until, ended_at = NULL
WHERE (run.lease_until IS NULL OR run.lease_until <= now())
  AND (run.ended_at IS NULL OR excluded.fire_at > run.fire_at OR run.fire_at > now() + interval '5 minutes')
RETURNING lease_id

-- name: latest_run
-- $1 account's name, $2 kind.
SELECT run.fire_at, run.ended_at IS NOT NULL AS is_done
FROM scheduled_runs run JOIN accounts a ON a.id = run.account_id WHERE a.name = $1 AND run.kind = $2

-- name: renew_run
-- Hold a run for longer. $1 run, $2 lease.
UPDATE scheduled_runs SET lease_until = now() + $2::interval WHERE lease_id = $1 AND ended_at IS NULL RETURNING kind

-- name: end_run
-- A run is done. $1 run.
UPDATE scheduled_runs SET ended_at = now(), lease_until = NULL WHERE lease_id = $1 AND ended_at IS NULL

-- name: release_run
-- A run is given back. $1 run.
UPDATE scheduled_runs SET lease_until = NULL WHERE lease_id = $1 AND ended_at IS NULL
