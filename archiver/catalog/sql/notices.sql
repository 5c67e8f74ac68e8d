-- name: tell
-- Note how a subject stands; answers the id of a notice if it is this caller's to deliver: another state than before,
-- or more of it, or what somebody left undelivered. A state of '' is fine, and stays here until that is delivered.
-- $1 subject, $2 state, $3 amount, $4 when it was seen to be fine, or null, $5 lease.
WITH former AS (
    SELECT subject,
           state <> $2 OR amount < $3::bigint AS is_news,
           coalesce(lease_until <= now(), false) AS is_left,
           state = $2 OR $4::timestamptz IS NULL OR told_at < $4 AS is_proven
    FROM notices WHERE subject = $1 FOR UPDATE
), begun AS (
    INSERT INTO notices (subject, state, amount, notice, lease_until)
    SELECT $1, $2, $3, gen_random_uuid(), now() + $5::interval
    WHERE $2 <> '' AND NOT EXISTS (SELECT FROM former)
    ON CONFLICT (subject) DO NOTHING
    RETURNING notice
), noted AS (
    UPDATE notices AS known
    SET state = $2,
        amount = $3,
        notice = CASE WHEN is_news THEN gen_random_uuid() ELSE known.notice END,
        told_at = CASE WHEN is_news THEN now() ELSE known.told_at END,
        lease_until = CASE WHEN is_news OR is_left THEN now() + $5 ELSE known.lease_until END
    FROM former
    WHERE known.subject = former.subject AND is_proven AND (is_news OR is_left OR known.amount <> $3)
    RETURNING notice, is_news OR is_left AS is_ours
)
SELECT notice FROM begun UNION ALL SELECT notice FROM noted WHERE is_ours

-- name: delivered
-- A notice arrived; a subject that is fine is forgotten with it. $1 subject, $2 the notice's id.
WITH forgotten AS (
    DELETE FROM notices WHERE subject = $1 AND notice = $2::uuid AND state = ''
)
UPDATE notices SET lease_until = NULL WHERE subject = $1 AND notice = $2 AND state <> ''
