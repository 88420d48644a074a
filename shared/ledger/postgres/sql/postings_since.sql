-- Payments, discounts, adjustments, refunds and reversals from a label on, each with the line before it
-- in its period, and the method and reference of a payment, and whether it shares that, or the payment id of
-- a refund.
SELECT
    :line_columns(line),
    :line_columns(before),
    command.content::jsonb ->> 'payment_id' AS payment_id,
    command.content::jsonb ->> 'method' AS method,
    command.content::jsonb ->> 'reference' AS reference,
    (command.content::jsonb ->> 'shared')::boolean AS shared
FROM unnest((SELECT $1::text[]), (SELECT $2::text[])) AS wanted (customer_id, since)
JOIN book.line
    ON line.customer_id = wanted.customer_id
    AND line.period >= wanted.since
    AND line.kind IN ('payment', 'discount', 'adjustment', 'refund', 'reversal')
JOIN book.line AS before
    ON before.customer_id = line.customer_id
    AND before.bucket = line.bucket
    AND before.period = line.period
    AND before.revision = line.revision - 1
LEFT JOIN book.command
    ON command.command_id = line.command_id AND line.kind IN ('payment', 'refund')
ORDER BY line.customer_id, line.seq;
