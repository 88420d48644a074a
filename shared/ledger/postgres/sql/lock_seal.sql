-- Serialises sealing, until the end of the transaction. It must be the first statement: a snapshot older
-- than the lock would not contain the previous seal.
LOCK TABLE book_lock.seal IN EXCLUSIVE MODE;
