-- The catalog: accounts, their recordings, the walks that found them, and what happened to each.
-- Valid on PostgreSQL 15 and newer.

CREATE TABLE accounts (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    provider    text NOT NULL,
    real_id     text NOT NULL,
    enrolled_at timestamptz NOT NULL DEFAULT now()
);

-- One row per recording, for ever. Free room on each page lets claims and renewals stay on their page, which spares
-- every index: no index may name a column that they write (lease_id, lease_until, pass_at, pass_attempts).
CREATE TABLE recordings (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id        integer NOT NULL REFERENCES accounts,
    recording_id      text COLLATE "C" NOT NULL,
    -- as its listing shows it
    listing           text NOT NULL,
    started_at        timestamptz,
    expires_at        timestamptz,
    duration          interval,
    direction         text,
    from_number       text,
    to_number         text,
    type              text,
    claimed_format    text,
    claimed_size      bigint,
    is_ready          boolean NOT NULL,
    document          jsonb NOT NULL,
    redacted          text[] NOT NULL,
    fingerprint       bytea NOT NULL,
    -- where it is on its way
    state             text NOT NULL CHECK (state IN ('pending', 'stored', 'verified', 'damaged', 'failed', 'gone',
                                                     'excluded', 'remote_deleted')),
    reason            text CHECK (reason IS NULL OR (reason IN ('not_ready', 'retry') AND state = 'pending')),
    suspect           text,
    held              boolean NOT NULL DEFAULT false,
    first_seen_at     timestamptz NOT NULL DEFAULT now(),
    item_missing_at   timestamptz,
    remote_missing_at timestamptz,
    remote_deleted_at timestamptz,
    -- the stored object; its key is fixed at the first store
    key               text,
    format            text,
    size_bytes        bigint,
    sha256            bytea CHECK (length(sha256) = 32),
    storage_url       text,
    stored_at         timestamptz,
    verified_at       timestamptz,
    verified_by       text,
    -- attempts and passes
    attempts          integer NOT NULL DEFAULT 0,
    pass_at           timestamptz,
    pass_attempts     integer NOT NULL DEFAULT 0,
    next_attempt_at   timestamptz,
    error             text,
    -- the lease: held while lease_until is set and not past; the id stays behind to recognise a repeat
    lease_id          uuid,
    lease_until       timestamptz,
    UNIQUE (account_id, recording_id),
    CONSTRAINT an_object_backs_the_state CHECK (
        state IN ('pending', 'failed', 'gone', 'excluded')
        OR num_nulls(key, format, size_bytes, sha256, storage_url, stored_at) = 0)
) WITH (fillfactor = 70);

-- Work to claim, earliest-expiring first.
CREATE INDEX recordings_claim ON recordings (account_id, expires_at, started_at, id)
    WHERE state IN ('pending', 'stored', 'damaged');
-- The age of the oldest recording that is not archived.
CREATE INDEX recordings_unarchived ON recordings (account_id, first_seen_at) WHERE state IN ('pending', 'damaged');
-- Showing an account, newest first; an unknown start comes last.
CREATE INDEX recordings_newest ON recordings (account_id, (coalesce(started_at, '-infinity')), id);
-- The few that an operator asks for, among millions that are done.
CREATE INDEX recordings_troubled ON recordings (account_id, state, (coalesce(started_at, '-infinity')), id)
    WHERE state IN ('damaged', 'failed', 'gone');
CREATE INDEX recordings_suspect ON recordings (account_id, (coalesce(started_at, '-infinity')), id)
    WHERE suspect IS NOT NULL;
CREATE INDEX recordings_held ON recordings (account_id, (coalesce(started_at, '-infinity')), id) WHERE held;

-- A recording's history. No foreign key: rows of recordings are never deleted, and the check would be paid each time.
CREATE TABLE events (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recording bigint NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    name      text NOT NULL,
    facts     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX events_of_recording ON events (recording, id);

CREATE TABLE walks (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   integer NOT NULL REFERENCES accounts,
    listing      text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('full', 'bounded')),
    since        timestamptz,
    until        timestamptz,
    lease        interval NOT NULL,
    lease_until  timestamptz,
    started_at   timestamptz NOT NULL DEFAULT now(),
    last_page_at timestamptz,
    ended_at     timestamptz,
    doubt        text,
    cursor       text,
    round        integer NOT NULL DEFAULT 1,
    least_total  bigint,
    -- a digest of the last page tells a repeat of it from the next one; what it came to is answered again
    last_page    bytea,
    last_fresh   bigint,
    last_new     bigint,
    pages        bigint NOT NULL DEFAULT 0,
    seen         bigint NOT NULL DEFAULT 0,
    new          bigint NOT NULL DEFAULT 0,
    -- counted when the walk ends
    listed       bigint NOT NULL DEFAULT 0,
    malformed    bigint NOT NULL DEFAULT 0,
    is_forgotten boolean NOT NULL DEFAULT false
);
CREATE INDEX walks_open ON walks (account_id, listing, kind) WHERE ended_at IS NULL;
CREATE INDEX walks_ended ON walks (account_id, listing, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX walks_remembered ON walks (ended_at) WHERE NOT is_forgotten;

-- What a walk came past: recordings by id, malformed rows by fingerprint; rows outside its window are not listed.
-- Unlogged, since it is a million rows per walk: a crash of the server empties it, and a walk whose rows are gone
-- begins anew instead of being resumed.
CREATE UNLOGGED TABLE walk_seen (
    walk_id      bigint NOT NULL,
    is_malformed boolean NOT NULL,
    key          text COLLATE "C" NOT NULL,
    is_listed    boolean NOT NULL,
    round        integer NOT NULL,
    PRIMARY KEY (walk_id, is_malformed, key)
);

-- Rows of a listing that are no recordings we understand.
CREATE TABLE quarantine (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id    integer NOT NULL REFERENCES accounts,
    listing       text NOT NULL,
    fingerprint   bytea NOT NULL,
    reason        text NOT NULL,
    document      text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, listing, fingerprint)
);

-- Counts by state are sums over these. Changes are appended, so that writers never wait for each other, and folded
-- into one row per account and state now and then.
CREATE TABLE state_deltas (
    account_id integer NOT NULL,
    state      text NOT NULL,
    rows       bigint NOT NULL,
    bytes      bigint NOT NULL
);

CREATE FUNCTION count_new_states() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO state_deltas (account_id, state, rows, bytes)
    SELECT account_id, state, count(*), coalesce(sum(size_bytes), 0) FROM after GROUP BY account_id, state;
    RETURN NULL;
END $$;

CREATE FUNCTION count_changed_states() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO state_deltas (account_id, state, rows, bytes)
    SELECT account_id, state, sum(sign), sum(sign * size_bytes)
    FROM (SELECT account_id, state, 1 AS sign, coalesce(size_bytes, 0) AS size_bytes FROM after
          UNION ALL
          SELECT account_id, state, -1, coalesce(size_bytes, 0) FROM before) AS change
    GROUP BY account_id, state
    HAVING sum(sign) <> 0 OR sum(sign * size_bytes) <> 0;
    RETURN NULL;
END $$;

CREATE TRIGGER count_new_states AFTER INSERT ON recordings
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION count_new_states();
CREATE TRIGGER count_changed_states AFTER UPDATE ON recordings
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION count_changed_states();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: its rows are kept for ever', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TRIGGER rows_are_kept BEFORE DELETE OR TRUNCATE ON recordings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rows_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a recording cannot go from % to %', OLD.state, NEW.state;
END $$;

CREATE TRIGGER states_follow BEFORE UPDATE OF state ON recordings FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN (
        'pending>stored', 'pending>failed', 'pending>gone', 'pending>excluded',
        'stored>verified', 'stored>damaged',
        'verified>damaged', 'verified>remote_deleted',
        'damaged>stored', 'damaged>verified',
        'failed>pending', 'failed>excluded', 'gone>pending', 'excluded>pending', 'remote_deleted>damaged'))
    EXECUTE FUNCTION refuse_state();

-- A lease's id begins with the number of its row: a row is found by its lease without an index, which every claim
-- would have to write.
CREATE FUNCTION new_lease(recording bigint) RETURNS uuid LANGUAGE sql VOLATILE
    RETURN (lpad(to_hex(recording), 16, '0') || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid;
CREATE FUNCTION leased_row(lease uuid) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN ('x' || left(replace(lease::text, '-', ''), 16))::bit(64)::bigint;

-- The state of a known recording that is listed again. Only a full walk re-opens what failed; what is leased is left.
CREATE FUNCTION listed_state(state text, is_excluded boolean, is_full boolean, is_leased boolean) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE
        WHEN state IN ('pending', 'failed') AND is_excluded AND NOT is_leased THEN 'excluded'
        WHEN state = 'excluded' AND NOT is_excluded THEN 'pending'
        WHEN state = 'failed' AND is_full AND NOT is_excluded THEN 'pending'
        WHEN state = 'gone' THEN 'pending'
        ELSE state
    END;
