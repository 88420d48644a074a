-- Who may have such a name, by id, to be judged in Python: PostgreSQL's lower() depends on the locale. $1 is a
-- phone, $2 a part of the name in lower case, $3 customer ids; null: any. A name of ASCII alone is judged here.
SELECT customer_id, name
FROM report.customer
WHERE ($1::text IS NULL OR phone = $1)
    AND ($3::text[] IS NULL OR customer_id = ANY($3))
    AND (
        $2::text IS NULL
        OR strpos(lower(name COLLATE "C"), $2) > 0
        OR octet_length(name) > char_length(name)
    )
ORDER BY customer_id;
