"""The migrations lead to the schema that is written down; running them again changes nothing."""

from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from shared.ledger.postgres.migrate import migrate, steps
from shared.runtime.embedded import Postgres

FOLDER = Path(__file__).parents[2] / "shared" / "ledger" / "postgres"
WHAT = {
    "columns": """
        SELECT attrelid::regclass::text, attnum, attname, format_type(atttypid, atttypmod),
            attnotnull, attidentity::text, pg_get_expr(adbin, adrelid), collname
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        LEFT JOIN pg_collation ON pg_collation.oid = attcollation
        WHERE relnamespace::regnamespace::text IN ('book', 'report')
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
    "rights": """
        SELECT oid::regclass::text, relowner::regrole::text, relacl::text FROM pg_class
        WHERE relnamespace::regnamespace::text IN ('book', 'report') ORDER BY 1""",
}


@pytest.fixture
async def written_down(postgres: Postgres) -> str:
    """A database made from the two pages alone."""
    name = f"pages_{uuid4().hex[:8]}"
    connection = await asyncpg.connect(postgres.admin_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = f"{postgres.admin_url.rpartition('/')[0]}/{name}"
    connection = await asyncpg.connect(url)
    for page in ("schema.sql", "report.sql"):
        await connection.execute((FOLDER / page).read_text("utf-8"))
    await connection.close()
    return url


@pytest.mark.parametrize("what", WHAT)
async def test_migrations_lead_to_the_schema_that_is_written_down(
    what: str, database: str, written_down: str
) -> None:
    migrated, pages = [await _ask(url, WHAT[what]) for url in (database, written_down)]
    assert migrated == pages
    assert migrated


async def test_migrating_again_changes_nothing_and_another_setup_is_refused(database: str) -> None:
    connection = await asyncpg.connect(database)

    assert await migrate(connection, 12, "Asia/Dhaka") == []
    with pytest.raises(ValueError, match="12 partitions in zone Asia/Dhaka"):
        await migrate(connection, 24, "Asia/Dhaka")

    names = await connection.fetch("SELECT name FROM book.migration ORDER BY name")
    assert [row["name"] for row in names] == [name for name, _ in steps()]
    await connection.close()


async def _ask(url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
