-- Locks one customer's row, as a typical job does before it works on it.
SELECT contact FROM book.account WHERE customer_id = $1 FOR NO KEY UPDATE;
