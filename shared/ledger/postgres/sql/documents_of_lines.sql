-- Which of these numbers ($1 kinds, $2 years, $3 numbers) belong to lines of this book.
SELECT kind, year, number FROM book.document
JOIN unnest($1::text[], $2::smallint[], $3::integer[]) AS asked (kind, year, number)
    USING (kind, year, number)
WHERE customer_id IS NOT NULL;
