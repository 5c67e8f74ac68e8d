-- Daemons: many processes on many hosts share accounts, rates and scheduled runs, and need nothing but this catalog.

-- The downloads that an account may have at once, over all processes. A slot carries the lease of its recording.
CREATE TABLE account_slots (
    account_id  integer NOT NULL REFERENCES accounts,
    number      integer NOT NULL,
    lease_id    uuid,
    lease_until timestamptz,
    PRIMARY KEY (account_id, number)
) WITH (fillfactor = 50);

-- One rate budget per credential: when its bucket will be full again, and until when nothing may go out.
CREATE TABLE rate_budgets (
    credential   text COLLATE "C" PRIMARY KEY,
    full_at      timestamptz NOT NULL DEFAULT 'epoch',
    silent_until timestamptz NOT NULL DEFAULT 'epoch'
) WITH (fillfactor = 50);

-- The last scheduled run of each kind: every host has the same fire times, and one of them begins it.
CREATE TABLE scheduled_runs (
    account_id  integer NOT NULL REFERENCES accounts,
    kind        text NOT NULL CHECK (kind IN ('walk', 'full_walk', 'verify', 'delete')),
    fire_at     timestamptz NOT NULL,
    lease_id    uuid NOT NULL,
    lease_until timestamptz,
    ended_at    timestamptz,
    PRIMARY KEY (account_id, kind)
) WITH (fillfactor = 50);
