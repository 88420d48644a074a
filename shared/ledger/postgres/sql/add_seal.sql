-- Appends a seal.
INSERT INTO book.seal (
    number, sealed_at, cursor, customers, lines, commands, policies, heads_root, policies_root,
    previous, hash, lines_upto, commands_upto, conflicts_upto
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);
