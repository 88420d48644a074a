-- Which of these lines, published in an earlier incarnation, the book still holds: their indexes in the
-- list.
SELECT given.place
FROM unnest($1::text[], $2::integer[], $3::bytea[])
    WITH ORDINALITY AS given (customer_id, seq, hash, place)
JOIN book.line USING (customer_id, seq, hash);
