-- name: tell
-- Note a state; answers a row if it is news: another state than before, or more of it. $1 subject, $2 state, $3 amount.
WITH former AS (
    SELECT state, amount FROM notices WHERE subject = $1 FOR UPDATE
), noted AS (
    -- what was there is looked at first, or its row would be ours by then
    INSERT INTO notices AS known (subject, state, amount)
    SELECT $1, $2, $3::bigint FROM (SELECT count(*) FROM former) AS looked
    ON CONFLICT (subject) DO UPDATE SET state = excluded.state, amount = excluded.amount, told_at = now()
    WHERE known.state <> excluded.state OR known.amount <> excluded.amount
    RETURNING state, amount
)
SELECT true FROM noted LEFT JOIN former ON true
WHERE former.state IS NULL OR former.state <> noted.state OR former.amount < noted.amount

-- name: tell_fine
-- Forget a subject that is fine again; answers a row if somebody was told of it. $1 subject.
DELETE FROM notices WHERE subject = $1 RETURNING subject
