-- A payment that was refused because its reference was used already, though no other payment with
-- it had been accepted by then: the first such one. Nothing is read when none was refused so.
SELECT refused.customer_id, refused.command_id
FROM book.command AS refused
WHERE refused.reason = 'reference_already_used'
    AND refused.type = 'billing.payment.received.v1'
    AND NOT EXISTS (
        SELECT FROM book.command AS holder
        WHERE holder.type = refused.type
            AND holder.outcome = 'accepted'
            AND holder.position < refused.position
            AND holder.content::jsonb ->> 'method' = refused.content::jsonb ->> 'method'
            AND holder.content::jsonb ->> 'reference' = refused.content::jsonb ->> 'reference'
    )
ORDER BY refused.customer_id, refused.position
LIMIT 1;
