-- How far every consumer has come.
SELECT consumer, topic, partition, next_offset FROM book.position;
