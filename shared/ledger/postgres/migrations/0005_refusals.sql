-- What was asked and not done is kept: conflicting duplicates, and which event brought a command.

ALTER TABLE book.command
    ADD COLUMN ce_id text,
    ADD COLUMN ce_source text,
    ADD CONSTRAINT command_event CHECK ((ce_id IS NULL) = (ce_source IS NULL));
CREATE INDEX command_refused ON book.command (recorded_at) WHERE outcome = 'refused';

ALTER TABLE book.parked
    ADD COLUMN ce_id text,
    ADD COLUMN ce_source text;

CREATE TABLE book.conflict (
    command_id text COLLATE "C" NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    customer_id text COLLATE "C",
    type text NOT NULL,
    content text NOT NULL,
    ce_id text NOT NULL,
    ce_source text NOT NULL,
    recorded_at timestamptz NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (command_id, digest)
);
CREATE INDEX conflict_recorded ON book.conflict (recorded_at);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.conflict
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.conflict
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
ALTER TABLE book.conflict ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.conflict ENABLE ALWAYS TRIGGER append_only_truncate;

DROP VIEW report.command;
CREATE VIEW report.command AS
SELECT
    command_id,
    type,
    customer_id,
    outcome,
    reason,
    content::jsonb ->> 'actor' AS actor,
    (content::jsonb ->> 'amount')::numeric(18,2) AS amount,
    content::jsonb AS said,
    recorded_at
FROM book.command;

-- What was asked and not done: refused commands, and conflicting duplicates, whose command id
-- keeps the outcome of its first coming.
CREATE VIEW report.refusal AS
SELECT
    command_id,
    type,
    customer_id,
    reason,
    content::jsonb ->> 'actor' AS actor,
    (content::jsonb ->> 'amount')::numeric(18,2) AS amount,
    content::jsonb AS said,
    ce_id,
    ce_source,
    recorded_at
FROM book.command
WHERE outcome = 'refused'
UNION ALL
SELECT
    command_id,
    type,
    customer_id,
    'conflicting_duplicate',
    content::jsonb ->> 'actor',
    (content::jsonb ->> 'amount')::numeric(18,2),
    content::jsonb,
    ce_id,
    ce_source,
    recorded_at
FROM book.conflict;

ALTER TABLE book.conflict OWNER TO rollforward_owner;
ALTER TABLE report.command OWNER TO rollforward_owner;
ALTER TABLE report.refusal OWNER TO rollforward_owner;
GRANT SELECT ON report.command, report.refusal TO rollforward_reader, rollforward_writer;
GRANT SELECT, INSERT ON book.conflict TO rollforward_writer;
