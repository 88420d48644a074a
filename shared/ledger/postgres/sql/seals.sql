-- Every seal, in order.
SELECT
    number,
    sealed_at,
    cursor::text,
    customers,
    lines,
    commands,
    policies,
    heads_root,
    policies_root,
    previous,
    hash
FROM book.seal
ORDER BY number;
