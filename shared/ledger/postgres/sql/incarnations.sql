-- The incarnations that were opened after restores, oldest first.
SELECT number, opened_at, reason FROM book.incarnation ORDER BY number;
