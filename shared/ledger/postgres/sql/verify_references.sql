-- The first payment that was refused because its reference was already used, although no other payment
-- with that reference had been accepted by then. If there was no such refusal, no payments are read.
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
