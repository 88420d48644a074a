-- One customer, locked as a job locks the row it works on.
SELECT contact FROM book.account WHERE customer_id = $1 FOR NO KEY UPDATE;
