-- All seals in order, and how far each reaches.
SELECT
    number,
    sealed_at,
    cursor,
    customers,
    lines,
    commands,
    policies,
    heads_root,
    policies_root,
    previous,
    hash,
    lines_upto,
    commands_upto,
    conflicts_upto
FROM book.seal
ORDER BY number;
