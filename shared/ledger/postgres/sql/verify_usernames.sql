-- The first signup or change that was refused because its username was taken, although nobody else had been
-- accepted under that username by then.
SELECT refused.customer_id, refused.command_id
FROM book.command AS refused
CROSS JOIN LATERAL (
    SELECT coalesce(refused.content::jsonb ->> 'username', refused.customer_id) AS username
) AS asked
WHERE refused.reason = 'username_taken'
    AND NOT EXISTS (
        SELECT FROM book.command AS holder
        WHERE holder.type IN ('billing.customer.signed_up.v1', 'billing.customer.changed.v1')
            AND holder.outcome = 'accepted'
            AND holder.customer_id <> refused.customer_id
            AND holder.position < refused.position
            AND (
                holder.content::jsonb ->> 'username' = asked.username
                OR (holder.customer_id = asked.username
                    AND holder.type = 'billing.customer.signed_up.v1'
                    AND holder.content::jsonb ->> 'username' IS NULL)
            )
    )
ORDER BY refused.customer_id, refused.position
LIMIT 1;
