-- The hourly check reads what is new, and the whole book once a day, some buckets each hour.

CREATE TABLE book.checked (
    bucket smallint PRIMARY KEY,
    line_position bigint NOT NULL DEFAULT 0,
    read_at timestamptz
);

CREATE TABLE book.difference (
    customer_id text COLLATE "C" PRIMARY KEY,
    bucket smallint NOT NULL,
    broken_chains bigint NOT NULL,
    uncovered_days bigint NOT NULL,
    missing_months bigint NOT NULL,
    double_bills bigint NOT NULL,
    hash_breaks bigint NOT NULL
);

ALTER TABLE book.checked OWNER TO rollforward_owner;
ALTER TABLE book.difference OWNER TO rollforward_owner;
GRANT SELECT, INSERT, UPDATE ON book.checked, book.difference TO rollforward_writer;

CREATE OR REPLACE FUNCTION book.make_buckets() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT kind || '_' || bucket
        FROM book.fleet
        CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
        CROSS JOIN (VALUES ('bucket'), ('telling')) AS kinds (kind)
        WHERE to_regclass('book_lock.' || kind || '_' || bucket) IS NULL
    LOOP
        EXECUTE format('CREATE TABLE book_lock.%I ()', name);
        EXECUTE format('ALTER TABLE book_lock.%I OWNER TO rollforward_owner', name);
        EXECUTE format('GRANT UPDATE ON book_lock.%I TO rollforward_writer', name);
    END LOOP;
    INSERT INTO book.relay (stream, bucket)
    SELECT stream, bucket
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
    CROSS JOIN unnest(ARRAY['line', 'outgoing', 'notice', 'entitlement']) AS stream
    ON CONFLICT DO NOTHING;
    INSERT INTO book.checked (bucket)
    SELECT bucket
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
    ON CONFLICT DO NOTHING;
END $$;
