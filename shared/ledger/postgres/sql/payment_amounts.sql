-- The amounts of payments and refunds, by their lines: what each added to `paid` of its period.
SELECT line.customer_id, line.seq, line.paid - before.paid AS amount
FROM unnest($1::text[], $2::integer[]) AS given (customer_id, seq)
JOIN book.line USING (customer_id, seq)
JOIN book.line AS before
    ON before.customer_id = line.customer_id
    AND before.bucket = line.bucket
    AND before.period = line.period
    AND before.revision = line.revision - 1;
