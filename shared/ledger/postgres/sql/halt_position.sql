-- Halts a consumer in a partition until a person resets it, unless its position has moved meanwhile.
UPDATE book.position SET halted = $5
WHERE consumer = $1 AND topic = $2 AND partition = $3 AND next_offset = $4;
