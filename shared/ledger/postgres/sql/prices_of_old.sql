-- The entries of each of these codes ($1) in the last policy version that has it.
SELECT code, version, starts, amount
FROM book.price AS price
WHERE code = ANY($1::text[])
    AND version = (SELECT max(other.version) FROM book.price AS other WHERE other.code = price.code)
ORDER BY code, starts;
