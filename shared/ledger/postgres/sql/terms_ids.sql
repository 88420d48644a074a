-- The ids of these terms, in the order in which they were given; null for terms that are not in the book.
SELECT terms.terms_id
FROM unnest((SELECT $1::jsonb[])) WITH ORDINALITY AS asked (content, place)
LEFT JOIN book.terms ON terms.digest = sha256(convert_to(asked.content::text, 'UTF8'))
ORDER BY asked.place;
