-- Suspects: bytes that may not be the call, which the first later pass fetches once more; looking recordings up.

-- The digest of the doubtful body that every attempt of the pass brought so far; null when they do not agree.
ALTER TABLE recordings ADD COLUMN refused_sha256 bytea CHECK (length(refused_sha256) = 32);
-- A suspect is to be fetched once more.
ALTER TABLE recordings ADD COLUMN recheck boolean NOT NULL DEFAULT false CHECK (NOT recheck OR suspect IS NOT NULL);

DROP INDEX recordings_claim;
-- Work to claim, earliest-expiring first.
CREATE INDEX recordings_claim ON recordings (account_id, expires_at, started_at, id)
    WHERE state IN ('pending', 'stored', 'damaged') OR recheck;
-- Kept copies to read back, those first that were not read for the longest time.
CREATE INDEX recordings_kept ON recordings (account_id, (coalesce(verified_at, '-infinity')), id)
    WHERE state IN ('stored', 'verified', 'damaged', 'remote_deleted');

DROP TRIGGER states_follow ON recordings;
CREATE TRIGGER states_follow BEFORE UPDATE OF state ON recordings FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN (
        'pending>stored', 'pending>failed', 'pending>gone', 'pending>excluded',
        'stored>verified', 'stored>damaged',
        'verified>damaged', 'verified>remote_deleted',
        'damaged>stored', 'damaged>verified',
        'failed>pending', 'failed>excluded', 'gone>pending', 'excluded>pending', 'remote_deleted>damaged')
        AND NOT (OLD.state = 'verified' AND NEW.state = 'stored' AND OLD.suspect IS NOT NULL))
    EXECUTE FUNCTION refuse_state();

-- Whether a party's number has these digits, or, of six or more, ends in them.
CREATE FUNCTION is_number(party text, digits text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(party, '\D', '', 'g') = digits
        OR length(digits) >= 6 AND right(regexp_replace(party, '\D', '', 'g'), length(digits)) = digits;
