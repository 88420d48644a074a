"""The migrations lead to the schema that is written down; running them again changes nothing."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from shared.embedded import Postgres
from shared.ledger.postgres import migrate as migrations
from shared.ledger.postgres.migrate import migrate, steps

FOLDER = Path(__file__).parents[2] / "shared" / "ledger" / "postgres"
WHAT = {
    "columns": """
        SELECT attrelid::regclass::text, attnum, attname, format_type(atttypid, atttypmod),
            attnotnull, attidentity::text, pg_get_expr(adbin, adrelid), collname
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        LEFT JOIN pg_collation ON pg_collation.oid = attcollation
        WHERE relnamespace::regnamespace::text IN ('book', 'report', 'book_lock')
            AND attnum > 0 AND NOT attisdropped
        ORDER BY 1, 2""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace::regnamespace::text IN ('book', 'report')
        ORDER BY 1, 2""",
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname IN ('book', 'report') ORDER BY 1, 2""",
    "views": """
        SELECT schemaname, viewname, definition FROM pg_views
        WHERE schemaname IN ('book', 'report') ORDER BY 1, 2""",
    "functions": """
        SELECT oid::regprocedure::text, pg_get_functiondef(oid), proacl::text FROM pg_proc
        WHERE pronamespace::regnamespace::text IN ('book', 'report') ORDER BY 1""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled::text
        FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2""",
    # What is a bucket's is made by migrate, for as many as the fleet has.
    "rights": """
        SELECT oid::regclass::text, relowner::regrole::text, relacl::text FROM pg_class
        WHERE relnamespace::regnamespace::text IN ('book', 'report', 'book_lock')
            AND oid::regclass::text !~ '^book_lock[.].*_[0-9]+$'
        UNION ALL
        SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace
        WHERE nspname IN ('book', 'report', 'book_lock')
        UNION ALL
        SELECT oid::regprocedure::text, proowner::regrole::text, proacl::text FROM pg_proc
        WHERE proname ~ '^(pg_(try_)?advisory|lo_)'
        ORDER BY 1""",
}


@pytest.fixture
async def empty(postgres: Postgres) -> str:
    """The URL of a database with nothing in it."""
    name = f"empty_{uuid4().hex[:8]}"
    connection = await asyncpg.connect(postgres.admin_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{postgres.admin_url.rpartition('/')[0]}/{name}"


@pytest.fixture
async def written_down(empty: str) -> str:
    """A database made from the two pages alone."""
    connection = await asyncpg.connect(empty)
    for page in ("schema.sql", "report.sql"):
        await connection.execute((FOLDER / page).read_text("utf-8"))
    await connection.close()
    return empty


@pytest.mark.parametrize("what", WHAT)
async def test_migrations_lead_to_the_schema_that_is_written_down(
    what: str, database: str, written_down: str
) -> None:
    migrated, pages = [await _ask(url, WHAT[what]) for url in (database, written_down)]
    assert migrated == pages
    assert migrated


async def test_migrating_again_changes_nothing_and_another_setup_is_refused(database: str) -> None:
    connection = await asyncpg.connect(database)

    assert await migrate(connection, 12, "Asia/Dhaka", 96) == []
    assert await migrate(connection, 24, "Asia/Dhaka", 96) == [], "they may have been multiplied"
    assert await connection.fetchval("SELECT partitions FROM book.fleet") == 12
    for zone, count, buckets in (("Asia/Dhaka", 20, 100), ("Asia/Kolkata", 12, 96)):
        with pytest.raises(ValueError, match="96 buckets in zone Asia/Dhaka"):
            await migrate(connection, count, zone, buckets)

    names = await connection.fetch("SELECT name FROM book.migration ORDER BY name")
    assert [row["name"] for row in names] == [name for name, _ in steps()]
    await connection.close()


async def test_an_older_book_gets_the_same_rights_and_the_locks_of_its_buckets(
    empty: str, database: str
) -> None:
    connection = await asyncpg.connect(empty)
    name, text = steps()[0]
    await connection.execute(text)
    await connection.execute("INSERT INTO book.migration (name) VALUES ($1)", name)
    await connection.execute("INSERT INTO book.fleet (partitions, zone) VALUES (12, 'Asia/Dhaka')")

    assert await migrate(connection, 12, "Asia/Dhaka", 96) == [name for name, _ in steps()[1:]]

    await connection.close()
    locks = "SELECT oid::regclass::text, relowner::regrole::text, relacl::text FROM pg_class"
    locks += " WHERE relnamespace = 'book_lock'::regnamespace ORDER BY 1"
    assert await _ask(empty, locks) == await _ask(database, locks)
    assert len(await _ask(empty, locks)) == 3 + 2 * 96
    assert await _ask(empty, WHAT["rights"]) == await _ask(database, WHAT["rights"])


async def test_migrations_at_once_make_one_book(empty: str) -> None:
    connections = [await asyncpg.connect(empty) for _ in range(4)]

    made = await asyncio.gather(*(migrate(each, 12, "Asia/Dhaka", 96) for each in connections))

    assert sorted(made) == [[], [], [], [name for name, _ in steps()]]
    for each in connections:
        await each.close()


async def test_a_migration_gives_up_soon_when_someone_reads_so_that_writers_do_not_wait(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = ("9999_change.sql", "ALTER TABLE book.line ADD COLUMN more integer")
    monkeypatch.setattr(migrations, "steps", lambda: [*steps(), change])
    monkeypatch.setattr(migrations, "PATIENCE", "100ms")
    reader, connection = [await asyncpg.connect(database) for _ in range(2)]

    async with reader.transaction():
        await reader.fetch("SELECT FROM report.ledger")
        with pytest.raises(migrations.Busy, match="nothing has changed"):
            await migrate(connection, 12, "Asia/Dhaka", 96)
    assert await migrate(connection, 12, "Asia/Dhaka", 96) == ["9999_change.sql"]

    for each in (reader, connection):
        await each.close()


async def _ask(url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
