-- The references of all accepted payments that have one, in the order in which they were judged.
SELECT position, content::jsonb ->> 'method' AS method, content::jsonb ->> 'reference' AS reference
FROM book.command
WHERE type = 'billing.payment.received.v1' AND outcome = 'accepted'
    AND content::jsonb ->> 'reference' IS NOT NULL
ORDER BY position;
