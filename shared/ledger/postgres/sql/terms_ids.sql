-- The ids of terms, each in the place in which it was asked for; null where the book does not have them.
SELECT terms.terms_id
FROM unnest((SELECT $1::jsonb[])) WITH ORDINALITY AS asked (content, place)
LEFT JOIN book.terms ON terms.digest = sha256(convert_to(asked.content::text, 'UTF8'))
ORDER BY asked.place;
