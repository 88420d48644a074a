-- What counted for all customers at an instant: the business date and the grace days of the policy; null
-- before the first tick and before the first policy.
SELECT
    (
        SELECT max((content::jsonb ->> 'as_of')::date) FROM book.command
        WHERE customer_id IS NULL AND outcome = 'accepted' AND recorded_at <= $1
    ) AS business_date,
    (
        SELECT grace_days FROM book.policy WHERE applied_at <= $1 ORDER BY version DESC LIMIT 1
    ) AS grace_days;
