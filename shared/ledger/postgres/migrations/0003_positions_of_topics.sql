-- A position belongs to one topic of one cluster: what has the same name later is another log.
ALTER TABLE book.position
    ADD COLUMN topic_id uuid,
    ADD COLUMN cluster_id text,
    ADD COLUMN halted text;
