-- Serialises the numbering of documents, until the end of the transaction.
LOCK TABLE book_lock.document IN EXCLUSIVE MODE;
