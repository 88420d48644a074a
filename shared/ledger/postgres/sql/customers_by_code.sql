-- How many customers go by the price list's price of each of these codes, on the business date or later: as
-- their package or as an extra. Who has left for good counts as well, because they may come back. Customers
-- are counted by their terms, which many of them share, because all buckets are locked meanwhile.
SELECT code, sum(customers)::bigint AS customers
FROM (
    SELECT DISTINCT terms_id, customers, sold ->> 0 AS code
    FROM (SELECT terms_id, count(*) AS customers FROM book.account GROUP BY terms_id) AS held
    JOIN book.terms USING (terms_id)
    CROSS JOIN (SELECT coalesce(business_date, '-infinity') AS day FROM book.fleet) AS today
    CROSS JOIN LATERAL (
        SELECT jsonb_build_array(entry -> 1) AS sales, lead(entry ->> 0) OVER (ORDER BY place) AS until
        FROM jsonb_array_elements(terms.content -> 'package') WITH ORDINALITY AS e (entry, place)
        UNION ALL
        SELECT entry -> 1, lead(entry ->> 0) OVER (ORDER BY place)
        FROM jsonb_array_elements(terms.content -> 'extras') WITH ORDINALITY AS e (entry, place)
    ) AS dated
    CROSS JOIN jsonb_array_elements(sales) AS sold
    WHERE sold ->> 1 IS NULL AND coalesce(until::date, 'infinity') > today.day
) AS by_terms
WHERE code = ANY($1::text[])
GROUP BY code
ORDER BY code;
