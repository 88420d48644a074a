-- How many customers go by the price list's price of each of these codes, on the business date or later: as
-- their package or as an extra. Who has left for good counts as well, because they may come back.
SELECT sold.code, count(DISTINCT account.customer_id) AS customers
FROM book.account
JOIN book.terms USING (terms_id)
CROSS JOIN (SELECT coalesce(business_date, '-infinity') AS day FROM book.fleet) AS today
CROSS JOIN LATERAL (
    SELECT entry -> 1 ->> 0 AS code, entry -> 1 ->> 1 AS price, entry ->> 0 AS since,
        lead(entry ->> 0) OVER (ORDER BY place) AS until
    FROM jsonb_array_elements(terms.content -> 'package') WITH ORDINALITY AS e (entry, place)
    UNION ALL
    SELECT extra ->> 0, extra ->> 1, entry ->> 0, until
    FROM (
        SELECT entry, lead(entry ->> 0) OVER (ORDER BY place) AS until
        FROM jsonb_array_elements(terms.content -> 'extras') WITH ORDINALITY AS e (entry, place)
    ) AS entries
    CROSS JOIN jsonb_array_elements(entry -> 1) AS extra
) AS sold
WHERE sold.code = ANY($1::text[]) AND sold.price IS NULL
    AND coalesce(sold.until::date, 'infinity') > today.day
GROUP BY sold.code
ORDER BY sold.code;
