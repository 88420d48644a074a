-- What a notice needs to know of customers as they are now, and the entitlement published last.
SELECT
    customer.customer_id,
    customer.phone,
    customer.language,
    customer.mode,
    customer.status,
    customer.expires_on,
    customer.due,
    customer.period,
    customer.billed,
    customer.standing,
    customer.bill_seq,
    (
        SELECT line.command_id FROM book.line
        WHERE line.customer_id = customer.customer_id AND line.seq = customer.bill_seq
            AND line.bucket = customer.bucket
    ) AS bill_command,
    coalesce(last.seq, 0) AS seq,
    entitlement.expires_on AS told_expires_on,
    entitlement.status AS told_status,
    entitlement.seq AS told_seq,
    entitlement.incarnation AS told_incarnation
FROM book.customer
LEFT JOIN LATERAL (
    SELECT line.seq FROM book.line
    WHERE line.customer_id = customer.customer_id AND line.bucket = customer.bucket
    ORDER BY line.seq DESC
    LIMIT 1
) AS last ON true
LEFT JOIN book.entitlement ON entitlement.customer_id = customer.customer_id
    AND entitlement.bucket = customer.bucket
WHERE customer.customer_id = ANY($1::text[])
ORDER BY customer.customer_id;
