"""Who may do what: the reader sees reports and nothing else, the writer appends."""

import uuid
from collections.abc import AsyncIterator
from importlib.resources import files

import asyncpg
import pytest
import pytest_asyncio

from tests.postgres.booked import Booked, pay, signup, tick

VIEWS = (
    "ledger",
    "statement",
    "customer",
    "invoice",
    "command",
    "refusal",
    "parked",
    "run",
    "quarantine",
    "coverage",
    "notice",
    "document",
    "document_tax",
    "aging",
    "receipts",
    "sales",
    "tax",
    "month",
    "reconciliation",
)
TABLES = (
    "fleet",
    "policy",
    "account",
    "line",
    "command",
    "conflict",
    "parked",
    "quarantine",
    "payment_reference",
    "position",
    "run",
    "page",
    "outgoing",
    "relay",
    "notice",
    "entitlement",
    "seal",
    "checked",
    "difference",
    "terms",
    "price",
    "username",
    "tax",
    "document",
    "numbered",
)
APPEND_ONLY = {
    "line": "paid",
    "command": "reason",
    "conflict": "content",
    "policy": "source",
    "seal": "lines",
    "terms": "content",
    "price": "amount",
    "tax": "code",
    "document": "net",
}
Denied = asyncpg.InsufficientPrivilegeError


@pytest_asyncio.fixture
async def reader(books: Booked, database: str) -> AsyncIterator[asyncpg.Connection]:
    await books.play(signup("rahim", "2026-01-01"), tick("2026-02-01"))
    await books.play(pay("p-1", "rahim", 100, "2026-01-05"))
    connection = await asyncpg.connect(database, server_settings={"role": "rollforward_reader"})
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def writer(books: Booked, database: str) -> AsyncIterator[asyncpg.Connection]:
    await books.play(signup("rahim", "2026-01-01"))
    connection = await asyncpg.connect(database, server_settings={"role": "rollforward_writer"})
    yield connection
    await connection.close()


async def test_the_reader_reads_every_report(reader: asyncpg.Connection) -> None:
    for view in VIEWS:
        await reader.fetch(f"SELECT * FROM report.{view}")


async def test_the_reader_reads_past_statements(reader: asyncpg.Connection) -> None:
    rows = await reader.fetch("SELECT * FROM report.statement_as_of('rahim', '2026-12-31')")

    assert len(rows) == 2


async def test_the_reader_sees_nothing_of_the_book(reader: asyncpg.Connection) -> None:
    for name in (*TABLES, "head", "customer", "hash_break"):
        with pytest.raises(Denied):
            await reader.fetch(f"SELECT * FROM book.{name}")


async def test_the_reader_can_do_nothing_but_read(reader: asyncpg.Connection) -> None:
    for statement in (
        "SELECT book.open_from('rahim')",
        "CREATE TABLE report.mine (id integer)",
        "CREATE TABLE public.mine (id integer)",
        "CREATE SCHEMA mine",
        "DELETE FROM report.parked",
        "UPDATE report.notice SET status = 'sent'",
        "INSERT INTO report.quarantine VALUES ('rahim', 'why not', '2026-01-20')",
    ):
        with pytest.raises(Denied):
            await reader.execute(statement)


async def test_the_reader_makes_no_temporary_tables(
    connection: asyncpg.Connection, database: str
) -> None:
    """On a database of its own: privileges on a database are not copied from a template."""
    folder = files("shared.ledger.postgres")
    name = f"fresh_{uuid.uuid4().hex[:12]}"
    await connection.execute(f"CREATE DATABASE {name}")
    try:
        fresh = await asyncpg.connect(f"{database.rpartition('/')[0]}/{name}")
        await fresh.execute(folder.joinpath("schema.sql").read_text("utf-8"))
        await fresh.execute(folder.joinpath("report.sql").read_text("utf-8"))
        may = await fresh.fetchval(
            "SELECT has_database_privilege('rollforward_reader', current_database(), 'TEMPORARY')"
        )
        await fresh.close()
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    assert not may


async def test_the_writer_reads_and_truncates_nothing(writer: asyncpg.Connection) -> None:
    for table in TABLES:
        await writer.fetch(f"SELECT * FROM book.{table}")
        with pytest.raises(Denied):
            await writer.execute(f"TRUNCATE book.{table} CASCADE")


async def test_the_writer_changes_nothing_that_is_append_only(writer: asyncpg.Connection) -> None:
    for table, column in APPEND_ONLY.items():
        with pytest.raises(Denied, match="permission denied"):
            await writer.execute(f"UPDATE book.{table} SET {column} = {column}")
        with pytest.raises(Denied, match="permission denied"):
            await writer.execute(f"DELETE FROM book.{table}")


async def test_the_writer_cannot_lift_the_guards(writer: asyncpg.Connection) -> None:
    for statement in (
        "ALTER TABLE book.line DISABLE TRIGGER USER",
        "DROP TRIGGER append_only ON book.line",
        "SET session_replication_role = replica",
        "CREATE TABLE book.mine (id integer)",
    ):
        with pytest.raises(Denied):
            await writer.execute(statement)


async def test_the_writer_keeps_a_book(writer: asyncpg.Connection, books: Booked) -> None:
    books.connection = writer

    await books.play(signup("karim", "2026-01-01"), tick("2026-02-01"))
    await books.play(pay("p-1", "karim", 100, "2026-01-05"))

    assert len(await books.rows("SELECT FROM report.statement WHERE customer_id = 'karim'")) == 2


async def test_the_book_belongs_to_its_owner_and_not_to_who_installed_it(books: Booked) -> None:
    owners = await books.rows(
        "SELECT DISTINCT relowner::regrole::text FROM pg_class"
        " WHERE relnamespace IN ('book'::regnamespace, 'report'::regnamespace)"
        " UNION SELECT DISTINCT proowner::regrole::text FROM pg_proc"
        " WHERE pronamespace IN ('book'::regnamespace, 'report'::regnamespace)"
    )

    assert owners == [("rollforward_owner",)]


async def test_no_function_is_open_to_everyone(books: Booked) -> None:
    open_ones = await books.rows(
        "SELECT oid::regprocedure::text FROM pg_proc"
        " WHERE pronamespace IN ('book'::regnamespace, 'report'::regnamespace)"
        " AND has_function_privilege('public', oid, 'EXECUTE')"
    )

    assert open_ones == []
