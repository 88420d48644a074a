-- Serialises `policy apply`, until the end of the transaction.
LOCK TABLE book_lock.policy IN EXCLUSIVE MODE;
