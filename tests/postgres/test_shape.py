"""Which books a release works on: as it left them, or with what a later one has added."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from services.console.main import main
from shared.ledger.postgres.migrate import steps
from shared.ledger.postgres.shape import (
    BookDiffers,
    expect_fit,
    expect_migrated,
    expect_nobodys_fault,
    wanted,
)
from shared.runtime.context import Context
from shared.runtime.fitness import unfit_book
from shared.runtime.settings import Settings

LAST = steps()[-1][0]
BEHIND = f"DELETE FROM book.migration WHERE name = '{LAST}'"
COLUMNS = """
SELECT relname::text, attname::text, to_regtype(format_type(atttypid, atttypmod))::text
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'book'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
"""
WRONG = {
    "ALTER TABLE book.line DROP COLUMN actor CASCADE": "book.line.actor is missing",
    "ALTER TABLE book.page RENAME COLUMN after TO afterwards": "book.page.after is missing",
    "ALTER TABLE book.seal RENAME TO sealed": "book.seal.cursor is missing",
    "ALTER TABLE book.account ALTER bucket TYPE text": "bucket is text, not smallint",
    "ALTER TABLE book.command ADD why text NOT NULL": "book.command.why must be given",
}
COMMANDS = (
    ("statement", "rahim"),
    ("explain", "rahim", "2026-01"),
    ("verify",),
    ("seal",),
    ("settle",),
    ("policy", "show"),
    ("policy", "apply", "policy.toml"),
    ("parked",),
    ("quarantine", "list"),
    ("quarantine", "retry"),
    ("rehearse", "--as-of", "2026-02-01"),
)


async def test_what_is_wanted_is_read_from_the_page_column_by_column(
    connection: asyncpg.Connection,
) -> None:
    found = {tuple(row) for row in await connection.fetch(COLUMNS)}
    read = {
        (table, name, await connection.fetchval("SELECT to_regtype($1)::text", type_))
        for table, name, type_ in wanted().columns
    }
    assert read == found


async def test_a_book_as_it_was_migrated_fits(connection: asyncpg.Connection) -> None:
    await connection.execute("SET ROLE rollforward_writer")

    assert await expect_fit(connection) == []
    await expect_nobodys_fault(connection)


@pytest.mark.parametrize(("change", "said"), WRONG.items(), ids=[*WRONG.values()])
async def test_a_book_changed_by_hand_is_told_by_its_column(
    connection: asyncpg.Connection, change: str, said: str
) -> None:
    await connection.execute(change)

    with pytest.raises(BookDiffers, match=said):
        await expect_fit(connection)


async def test_a_later_migration_that_adds_or_widens_is_no_fault(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("""
        ALTER TABLE book.account ADD COLUMN colour text, ADD COLUMN size integer NOT NULL DEFAULT 0;
        ALTER TABLE book.page ALTER bucket TYPE integer;
        CREATE TABLE book.later (number integer NOT NULL);
        CREATE OR REPLACE FUNCTION book.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'refused' USING ERRCODE = 'insufficient_privilege';
        END $$;
        INSERT INTO book.migration (name) VALUES ('9998_later.sql');
    """)

    assert await expect_fit(connection) == ["9998_later.sql"]
    await expect_nobodys_fault(connection)


async def test_a_later_migration_that_takes_away_says_so_by_its_name(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("INSERT INTO book.migration VALUES ('9998_no_page.contract.sql')")

    with pytest.raises(BookDiffers, match=r"newer than this release: 9998_no_page\.contract\.sql"):
        await expect_migrated(connection)


async def test_a_trigger_function_changed_by_hand_is_the_books_fault(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute(
        "CREATE OR REPLACE FUNCTION book.check_chain() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN 1 / 0; END'"
    )

    with pytest.raises(BookDiffers, match=r"book\.check_chain\(\) differs"):
        await expect_nobodys_fault(connection)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (BEHIND, f"lacks {LAST}: run `rollforward migrate`"),
        ("DROP SCHEMA book CASCADE", "holds no book: run `rollforward migrate`"),
        ("ALTER TABLE book.line DROP COLUMN actor CASCADE", "book.line.actor is missing"),
        ("REVOKE USAGE ON SCHEMA book FROM rollforward_writer", "permission denied"),
    ],
    ids=["behind", "no book", "by hand", "no rights"],
)
async def test_a_worker_does_not_start_on_a_book_that_does_not_fit_and_says_why(
    connection: asyncpg.Connection, database: str, change: str, said: str
) -> None:
    context = Context("relay", Settings(kafka="127.0.0.1:1", database_url=database))
    await connection.execute(change)

    assert said in str(await unfit_book(context, asyncio.Event()))
    assert said in context.health.causes["book"]
    for each in context.databases:
        await each.close()


async def test_a_worker_starts_on_a_book_ahead_of_it_and_warns_once(
    connection: asyncpg.Connection, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    context = Context("relay", Settings(kafka="127.0.0.1:1", database_url=database))
    await connection.execute("INSERT INTO book.migration (name) VALUES ('9998_later.sql')")

    assert await unfit_book(context, asyncio.Event()) is None
    async with context.databases[0].connection():
        pass

    (warning,) = [each for each in caplog.records if "9998_later.sql" in each.getMessage()]
    assert warning.levelname == "WARNING"
    for each in context.databases:
        await each.close()


async def test_each_command_says_in_one_line_that_a_migration_is_missing(
    connection: asyncpg.Connection, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connection.execute(BEHIND)
    monkeypatch.chdir(tmp_path)
    Path("policy.toml").write_text('[[staff]]\nid = "boss"\nmay = ["discount"]\n', "utf-8")
    servers = {"ROLLFORWARD_KAFKA": "127.0.0.1:1", "ROLLFORWARD_DATABASE_URL": database}

    for command in COMMANDS:
        done = await asyncio.to_thread(
            CliRunner().invoke, main, command, env=servers | {"ROLLFORWARD_DATA": ""}
        )
        assert (done.exit_code, done.stdout) == (2, ""), command
        (line,) = done.stderr.splitlines()
        assert f"lacks {LAST}: run `rollforward migrate`" in line
    assert await connection.fetchval("SELECT count(*) FROM book.policy") == 0
