-- References that may be the one given ($1, in lower case), to be judged in Python, as customers_possible.sql.
SELECT customer_id, reference
FROM report.payment
WHERE strpos(lower(reference COLLATE "C"), $1) > 0
    OR octet_length(reference) > char_length(reference);
