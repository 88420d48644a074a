-- Terms by their ids: rows that never change.
SELECT terms_id, content FROM book.terms WHERE terms_id = ANY((SELECT $1::bigint[])::bigint[]);
