-- A twin of the ledger's table: same columns, checks and keys; no triggers and no other indexes.
DROP SCHEMA IF EXISTS baseline CASCADE;
CREATE SCHEMA baseline;
CREATE TABLE baseline.line (
    LIKE book.line INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS,
    PRIMARY KEY (customer_id, seq, bucket),
    UNIQUE (customer_id, period, revision, bucket)
);
ALTER TABLE baseline.line ALTER COLUMN bucket SET DEFAULT 0;
CREATE TABLE baseline.bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, said bytea);
