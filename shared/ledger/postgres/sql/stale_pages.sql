-- Pages that were sent a while ago and have not moved since: they are sent once more. So are those
-- that a clock which was wrong for a while has sent in a time to come.
UPDATE book.page SET sent_at = clock_timestamp()
WHERE finished_at IS NULL
    AND sent_at NOT BETWEEN clock_timestamp() - make_interval(secs => $1) AND clock_timestamp()
RETURNING tick_id, number;
