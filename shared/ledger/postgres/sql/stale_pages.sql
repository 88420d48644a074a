-- Pages that were sent a while ago and have not moved since: they are sent once more.
UPDATE book.page SET sent_at = clock_timestamp()
WHERE finished_at IS NULL AND sent_at < clock_timestamp() - make_interval(secs => $1)
RETURNING tick_id, bucket;
