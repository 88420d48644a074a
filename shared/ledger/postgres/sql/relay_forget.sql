-- Deletes the outgoing rows that were published: from a bucket's cursor up to a position.
DELETE FROM book.outgoing
USING unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS gone (bucket, after, position)
WHERE outgoing.bucket = gone.bucket
    AND outgoing.position > gone.after
    AND outgoing.position <= gone.position;
