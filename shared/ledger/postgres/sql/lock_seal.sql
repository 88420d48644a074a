-- Serialises sealing, until the end of the transaction. The first statement in it: a snapshot
-- older than the lock would not see the seal before.
LOCK TABLE book_lock.seal IN EXCLUSIVE MODE;
