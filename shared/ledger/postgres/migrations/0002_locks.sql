-- Locks that a login which may only read cannot take, and a past statement that takes none.
--
-- Workers of the release before take advisory locks and know nothing of these: stop them first.

-- What one transaction at a time may do has a table here, empty and without columns, whose EXCLUSIVE
-- lock it holds until its end. Only the writer may lock them: an advisory lock is open to every
-- login. Locks of rows would give the writer its xid before it has waited (relay_lines.sql).
-- `bucket_N`: writing customers of bucket N. `telling_N`: telling them. Both made by migrate.
CREATE SCHEMA book_lock;
CREATE TABLE book_lock.policy (); -- appending a policy version
CREATE TABLE book_lock.relay (); -- publishing
CREATE TABLE book_lock.seal (); -- sealing

-- Waits for locks, one after the other in the order given, until the end of the transaction.
CREATE FUNCTION book.lock(names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('LOCK TABLE book_lock.%I IN EXCLUSIVE MODE', name);
    END LOOP;
END $$;

-- Makes what is missing of the locks of the fleet's buckets.
CREATE FUNCTION book.make_locks() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT kind || '_' || bucket
        FROM book.fleet
        CROSS JOIN generate_series(0, fleet.partitions - 1) AS bucket
        CROSS JOIN (VALUES ('bucket'), ('telling')) AS kinds (kind)
        WHERE to_regclass('book_lock.' || kind || '_' || bucket) IS NULL
    LOOP
        EXECUTE format('CREATE TABLE book_lock.%I ()', name);
        EXECUTE format('ALTER TABLE book_lock.%I OWNER TO rollforward_owner', name);
        EXECUTE format('GRANT UPDATE ON book_lock.%I TO rollforward_writer', name);
    END LOOP;
END $$;

-- Which transactions of others hold buckets, at this moment: anyone may see locks. pg_dump and
-- vacuum hold weaker ones, and write no lines.
CREATE VIEW book.writing AS
SELECT pg_class.relname AS bucket, pg_locks.virtualtransaction AS writer
FROM pg_locks
JOIN pg_class ON pg_class.oid = pg_locks.relation
WHERE pg_locks.locktype = 'relation'
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pg_class.relnamespace = 'book_lock'::regnamespace
    AND pg_class.relname LIKE 'bucket%'
    AND pg_locks.mode = 'ExclusiveLock'
    AND pg_locks.granted
    AND pg_locks.pid <> pg_backend_pid();

-- The statement as it was known at an instant: the same answer for ever, once that instant is
-- past. A line bears the clock's time from under its writer's bucket lock (lock_buckets.sql), so
-- when those who hold it now have ended, every line up to now is to be seen. The reader takes no
-- lock, looks again until they have, and waits for nobody who comes later. A customer unknown yet
-- may be signing up in any bucket. What is read next needs a snapshot newer than the wait, and
-- that only READ COMMITTED gives.
CREATE OR REPLACE FUNCTION report.statement_as_of(customer_id text, as_of timestamptz)
RETURNS SETOF report.statement LANGUAGE plpgsql VOLATILE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    asked CONSTANT text := statement_as_of.customer_id;
    known CONSTANT text := (SELECT 'bucket_' || bucket FROM book.account WHERE customer_id = asked);
    writers text[];
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'statement_as_of reads at READ COMMITTED only'
            USING ERRCODE = 'invalid_transaction_state',
                HINT = 'An older snapshot may miss lines recorded by then.';
    END IF;
    writers := ARRAY(SELECT writer FROM book.writing WHERE bucket = coalesce(known, bucket));
    WHILE EXISTS (SELECT FROM book.writing WHERE writer = ANY (writers)) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN QUERY
    SELECT DISTINCT ON (period)
        customer_id,
        period,
        coverage_from,
        coverage_to,
        (previous_due * 0.01)::numeric(18,2),
        (charge * 0.01)::numeric(18,2),
        (discount * 0.01)::numeric(18,2),
        (vat * 0.01)::numeric(18,2),
        ((charge - discount + vat) * 0.01)::numeric(18,2),
        (paid * 0.01)::numeric(18,2),
        (due * 0.01)::numeric(18,2),
        revision,
        standing
    FROM book.line
    WHERE customer_id = asked AND recorded_at <= as_of
    ORDER BY period, revision DESC;
END $$;

ALTER SCHEMA book_lock OWNER TO rollforward_owner;
ALTER TABLE book_lock.policy OWNER TO rollforward_owner;
ALTER TABLE book_lock.relay OWNER TO rollforward_owner;
ALTER TABLE book_lock.seal OWNER TO rollforward_owner;
ALTER FUNCTION book.lock(text[]) OWNER TO rollforward_owner;
ALTER FUNCTION book.make_locks() OWNER TO rollforward_owner;
ALTER VIEW book.writing OWNER TO rollforward_owner;
REVOKE ALL ON FUNCTION book.lock(text[]), book.make_locks() FROM PUBLIC;
GRANT SELECT ON book.writing TO rollforward_writer;
GRANT EXECUTE ON FUNCTION book.lock(text[]) TO rollforward_writer;
GRANT USAGE ON SCHEMA book_lock TO rollforward_writer;
GRANT UPDATE ON ALL TABLES IN SCHEMA book_lock TO rollforward_writer;

-- All sessions share one table of locks. With advisory locks or large objects any login could fill
-- it, and nobody could lock anything; in this database they are for whom the superuser names.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    IF current_setting('is_superuser') = 'off' THEN
        RETURN; -- what is PostgreSQL's own only its owner may close
    END IF;
    FOR routine IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
            AND proname ~ '^(pg_(try_)?advisory_|lo_(creat|create|from_bytea|unlink)$)'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END $$;
