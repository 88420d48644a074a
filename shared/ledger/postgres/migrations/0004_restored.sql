-- A book that was restored to an earlier hour opens a new incarnation, and texts wait.

ALTER TABLE book.fleet ADD COLUMN notices_held boolean NOT NULL DEFAULT false;

CREATE TABLE book.incarnation (
    number integer PRIMARY KEY CHECK (number > 1),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
ALTER TABLE book.incarnation OWNER TO rollforward_owner;
GRANT SELECT, INSERT ON book.incarnation TO rollforward_writer;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.incarnation
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.incarnation
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
ALTER TABLE book.incarnation ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.incarnation ENABLE ALWAYS TRIGGER append_only_truncate;

ALTER TABLE book.position ADD COLUMN furthest bigint NOT NULL DEFAULT 0;

CREATE FUNCTION book.note_furthest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.furthest := CASE WHEN NEW.topic_id = OLD.topic_id OR OLD.topic_id IS NULL
        THEN greatest(OLD.furthest, OLD.next_offset) ELSE 0 END;
    RETURN NEW;
END $$;
ALTER FUNCTION book.note_furthest() OWNER TO rollforward_owner;
REVOKE ALL ON FUNCTION book.note_furthest() FROM PUBLIC;

CREATE TRIGGER moved_back BEFORE UPDATE ON book.position
    FOR EACH ROW
    WHEN (NEW.next_offset < OLD.next_offset OR NEW.topic_id IS DISTINCT FROM OLD.topic_id)
    EXECUTE FUNCTION book.note_furthest();

-- A rebill has a notice of its own now: its id says whose.
DROP INDEX book.notice_due_once;
CREATE INDEX notice_held ON book.notice (customer_id) WHERE status = 'held';

ALTER TABLE book.entitlement ADD COLUMN incarnation integer NOT NULL DEFAULT 1;
