-- The first document that does not follow its series: a number left out, a day before that of the number
-- before, an earlier line of a customer after a later one; or one whose taxes name no known component.
SELECT printed, coalesce(customer_id, '-') AS customer_id, coalesce(seq, 0) AS seq, what, found, expected
FROM (
    SELECT
        *,
        book.document_number(prefix, kind, year, number) AS printed,
        row_number() OVER in_series AS place,
        lag(issued_on) OVER (PARTITION BY kind ORDER BY year, number) AS day_before,
        lag(seq) OVER (PARTITION BY kind, customer_id ORDER BY year, number) AS seq_before
    FROM book.document
    WINDOW in_series AS (PARTITION BY kind, year ORDER BY number)
) AS document
CROSS JOIN LATERAL (
    SELECT what, found, expected
    FROM (VALUES
        ('the number of ' || printed, number::text, place::text, number <> place),
        ('the day of ' || printed, issued_on::text, 'not before ' || day_before,
            issued_on < day_before),
        ('the place of ' || printed, 'line ' || seq, 'after line ' || seq_before,
            seq < seq_before)
    ) AS fault (what, found, expected, wrong)
    WHERE wrong
    LIMIT 1
) AS differs
ORDER BY kind, year, number
LIMIT 1;
