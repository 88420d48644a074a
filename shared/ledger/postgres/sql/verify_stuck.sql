-- The first parked command that should have been judged: its customer has what it waits for and is not
-- quarantined.
SELECT customer_id, command_id, reason
FROM book.parked
WHERE NOT EXISTS (SELECT FROM book.quarantine WHERE quarantine.customer_id = parked.customer_id)
    AND (
        EXISTS (SELECT FROM book.line WHERE line.customer_id = parked.customer_id)
        OR (
            type = 'billing.customer.changed.v1'
            AND EXISTS (SELECT FROM book.account WHERE account.customer_id = parked.customer_id)
        )
    )
ORDER BY customer_id, position
LIMIT 1;
