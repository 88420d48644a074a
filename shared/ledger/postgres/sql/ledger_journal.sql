-- Every line with what a journal also needs: the opening due, and the method and payment id of a payment
-- or refund.
SELECT
    :line_columns(line),
    account.opening_due,
    command.content::json ->> 'method' AS method,
    command.content::json ->> 'payment_id' AS payment_id
FROM book.line
LEFT JOIN book.account ON account.customer_id = line.customer_id
    AND account.bucket = line.bucket
LEFT JOIN book.command ON command.command_id = line.command_id
    AND line.kind IN ('payment', 'refund')
ORDER BY line.customer_id, line.seq;
