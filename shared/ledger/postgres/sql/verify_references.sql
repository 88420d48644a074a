-- Payments that were refused because their reference was already used, although no other payment with that
-- reference, spelt alike but for ASCII case and outer spaces, had been accepted by then. If there was no such
-- refusal, no payments are read.
SELECT
    refused.customer_id,
    refused.command_id,
    refused.position,
    refused.content::jsonb ->> 'method' AS method,
    refused.content::jsonb ->> 'reference' AS reference
FROM book.command AS refused
WHERE refused.reason = 'reference_already_used'
    AND refused.type = 'billing.payment.received.v1'
    AND NOT EXISTS (
        SELECT FROM book.command AS holder
        WHERE holder.type = refused.type
            AND holder.outcome = 'accepted'
            AND holder.position < refused.position
            AND lower(btrim(holder.content::jsonb ->> 'method'))
                = lower(btrim(refused.content::jsonb ->> 'method'))
            AND lower(btrim(holder.content::jsonb ->> 'reference'))
                = lower(btrim(refused.content::jsonb ->> 'reference'))
    )
ORDER BY refused.customer_id, refused.position;
