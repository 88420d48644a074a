-- All seals in order, with the positions up to which each covers.
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
