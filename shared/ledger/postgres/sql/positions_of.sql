-- How many records of a topic a consumer has applied.
SELECT coalesce(sum(next_offset), 0)::bigint FROM book.position WHERE consumer = $1 AND topic = $2;
