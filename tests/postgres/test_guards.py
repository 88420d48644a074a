"""The guards: who tries to change the past is refused; no worker starts on a book without."""

import asyncio
from typing import Any

import asyncpg
import pytest

from shared.ledger.postgres import incarnations, sealing
from shared.ledger.postgres.health import unguarded
from shared.ledger.postgres.shape import append_only
from shared.runtime.context import Context
from shared.runtime.fitness import unfit_book
from shared.runtime.settings import Settings
from tests.postgres.kept import Kept, payment, signup

Denied = asyncpg.InsufficientPrivilegeError
COLUMNS = {
    "line": "paid",
    "command": "reason",
    "conflict": "content",
    "policy": "source",
    "seal": "lines",
    "incarnation": "number",
    "terms": "content",
    "price": "amount",
}
TABLES = tuple(COLUMNS)
CHANGES = (
    "UPDATE book.{0} SET {1} = {1}",
    "DELETE FROM book.{0}",
    "TRUNCATE book.{0}",
    "TRUNCATE book.{0} CASCADE",
)


async def holes(connection: asyncpg.Connection) -> list[Any]:
    return [tuple(hole) for hole in await unguarded(connection, append_only())]


@pytest.fixture
async def kept(connection: asyncpg.Connection) -> Kept:
    """A book with a row in each table that is append-only."""
    kept = Kept(connection)
    await kept.policy("[billing]")
    await kept.tell(
        signup("rahim", "2026-01-17"),
        payment("p-1", "rahim", "1.00", "2026-01-20"),
        payment("p-1", "rahim", "2.00", "2026-01-20"),
    )
    await connection.execute(
        "INSERT INTO book.price (code, version, starts, amount) VALUES ('home', 1, '2026-01-01', 1)"
    )
    await incarnations.open_next(connection, 2, "a test")
    await sealing.seal(connection)
    return kept


@pytest.mark.parametrize("role", ["rollforward_reader", "rollforward_writer", "rollforward_owner"])
@pytest.mark.parametrize("table", TABLES)
async def test_no_role_changes_the_past(kept: Kept, role: str, table: str) -> None:
    await kept.connection.execute(f"SET ROLE {role}")
    for change in CHANGES:
        with pytest.raises(Denied):
            await kept.connection.execute(change.format(table, COLUMNS[table]))


@pytest.mark.parametrize("table", TABLES)
async def test_the_superuser_is_refused_as_a_replica_too(kept: Kept, table: str) -> None:
    await kept.connection.execute("SET session_replication_role = replica")
    for change in CHANGES:
        with pytest.raises(Denied, match="is append-only"):
            await kept.connection.execute(change.format(table, COLUMNS[table]))


async def test_the_writer_seals(kept: Kept) -> None:
    await kept.connection.execute("SET ROLE rollforward_writer")

    assert (await sealing.seal(kept.connection)).number == 2


async def test_a_fresh_book_has_no_hole(connection: asyncpg.Connection) -> None:
    assert await holes(connection) == []


@pytest.mark.parametrize("table", TABLES)
async def test_a_guard_that_was_lifted_is_named(connection: asyncpg.Connection, table: str) -> None:
    for change in (
        f"ALTER TABLE book.{table} DISABLE TRIGGER append_only",
        f"ALTER TABLE book.{table} ENABLE REPLICA TRIGGER append_only_truncate",
        f"GRANT UPDATE ON book.{table} TO rollforward_writer",
    ):
        await connection.execute(change)

    assert await holes(connection) == [
        (f"book.{table}", "lacks its guard against TRUNCATE"),
        (f"book.{table}", "lacks its guard against UPDATE and DELETE"),
        (f"book.{table}", "may be changed by rollforward_writer"),
    ]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "fires",
    [
        "UPDATE OR DELETE ON book.{0} FOR EACH ROW WHEN (OLD.{1} IS NOT NULL)",
        "UPDATE OF {1} OR DELETE ON book.{0} FOR EACH ROW",
    ],
    ids=["on-some-rows", "on-some-columns"],
)
async def test_a_guard_with_a_condition_is_no_guard(
    connection: asyncpg.Connection, table: str, fires: str
) -> None:
    await connection.execute(f"""
        DROP TRIGGER append_only ON book.{table};
        CREATE TRIGGER append_only BEFORE {fires.format(table, COLUMNS[table])}
            EXECUTE FUNCTION book.refuse_change();
        ALTER TABLE book.{table} ENABLE ALWAYS TRIGGER append_only;
    """)

    assert await holes(connection) == [
        (f"book.{table}", "lacks its guard against UPDATE and DELETE")
    ]


@pytest.mark.parametrize(("table", "column"), COLUMNS.items())
async def test_a_writer_who_may_change_one_column_is_named(
    connection: asyncpg.Connection, table: str, column: str
) -> None:
    await connection.execute(f"GRANT UPDATE ({column}) ON book.{table} TO rollforward_writer")

    assert await holes(connection) == [(f"book.{table}", "may be changed by rollforward_writer")]


async def test_a_check_of_the_chain_with_a_condition_is_no_check(
    connection: asyncpg.Connection,
) -> None:
    definition = await connection.fetchval(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgfoid = 'book.check_chain'::regproc"
    )
    name = definition.split()[2]
    sometimes = definition.replace("EXECUTE", "WHEN (pg_trigger_depth() > 0) EXECUTE")
    await connection.execute(f"""
        DROP TRIGGER {name} ON book.line;
        {sometimes};
        ALTER TABLE book.line ENABLE ALWAYS TRIGGER {name};
    """)

    assert await holes(connection) == [("book.line", "lacks its check of the chain")]


async def test_an_unguarded_leaf_is_named(connection: asyncpg.Connection) -> None:
    await connection.execute("CREATE TABLE book.line_2025 () INHERITS (book.line)")

    assert await holes(connection) == [
        ("book.line_2025", "lacks its check of the chain"),
        ("book.line_2025", "lacks its guard against TRUNCATE"),
        ("book.line_2025", "lacks its guard against UPDATE and DELETE"),
    ]


async def test_a_guard_that_was_emptied_is_named(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "CREATE OR REPLACE FUNCTION book.refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NEW; END $$"
    )

    assert await holes(connection) == [("book.refuse_change()", "does not refuse")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "ALTER TABLE book.line DISABLE TRIGGER append_only",
            "trigger append_only of book.line is disabled",
        ),
        (
            "CREATE TABLE book.line_2025 () INHERITS (book.line)",
            "book.line_2025 lacks its guard against UPDATE and DELETE",
        ),
        (
            "GRANT UPDATE ON book.command TO rollforward_writer",
            "book.command may be changed by rollforward_writer",
        ),
    ],
)
async def test_a_worker_does_not_start_on_an_unguarded_book(
    connection: asyncpg.Connection, database: str, change: str, said: str
) -> None:
    context = Context("relay", Settings(kafka="127.0.0.1:1", database_url=database))
    await connection.execute(change)

    assert said in str(await unfit_book(context, asyncio.Event()))
    for each in context.databases:
        await each.close()
