-- Which of these lines, told by an earlier incarnation, the book holds: by their place in the list.
SELECT told.place
FROM unnest($1::text[], $2::integer[], $3::bytea[])
    WITH ORDINALITY AS told (customer_id, seq, hash, place)
JOIN book.line USING (customer_id, seq, hash);
