"""Which books a release works on: as it left them, or with what a later one has added."""

import asyncio
import json
import re
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from services.console.main import main
from shared.embedded import Postgres
from shared.ledger.postgres.migrate import steps
from shared.ledger.postgres.shape import (
    BookDiffers,
    expect_fit,
    expect_migrated,
    flat,
    shape_of,
    wanted,
)
from shared.runtime.context import Context
from shared.runtime.fitness import unfit_book
from shared.runtime.settings import Settings

LAST = steps()[-1][0]
BEHIND = f"DELETE FROM book.migration WHERE name = '{LAST}'"
FILE = Path(str(files("shared.ledger.postgres"))) / "shape.json"
LATER = "INSERT INTO book.migration (name) VALUES ('9998_later.sql')"
FUNCTION = """CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RETURN NULL; END';"""
NEEDED = {
    "ALTER TABLE book.line DROP COLUMN actor CASCADE": "column book.line.actor is missing",
    "ALTER TABLE book.page RENAME COLUMN after TO afterwards": "book.page.after is missing",
    "ALTER TABLE book.seal RENAME TO sealed": "table book.seal is missing",
    "ALTER TABLE book.parked ALTER bucket TYPE text": "bucket is text NOT NULL, not smallint",
    "ALTER TABLE book.command ADD why text NOT NULL": "book.command.why must be given",
    "ALTER TABLE book.page ALTER billed DROP DEFAULT": "column book.page.billed ",
    "ALTER TABLE book.parked ALTER position DROP IDENTITY": "column book.parked.position ",
    "ALTER TABLE book.account ENABLE ROW LEVEL SECURITY": "logged, row level security is on",
    "ALTER TABLE book.payment_reference SET UNLOGGED": "table book.payment_reference is unlogged",
    "ALTER TABLE book.line DISABLE TRIGGER append_only": "book.line",
    "ALTER TABLE book.line DISABLE TRIGGER chain_holds": "book.line",
}
"""What also a book that a later release has migrated must not lack."""
OURS = {
    "ALTER TABLE book.page ALTER billed SET DEFAULT 1":
        "column book.page.billed is bigint NOT NULL DEFAULT 1",
    "ALTER TABLE book.quarantine ALTER reason DROP NOT NULL": "book.quarantine.reason is text, not",
    "ALTER TABLE book.line ADD CONSTRAINT poison CHECK (customer_id <> 'c-1')":
        "constraint poison of book.line is not known to this release: CHECK",
    "ALTER TABLE book.line DROP CONSTRAINT line_rolls_forward":
        "constraint line_rolls_forward of book.line is missing",
    """ALTER TABLE book.line DROP CONSTRAINT line_rolls_forward;
    ALTER TABLE book.line ADD CONSTRAINT line_rolls_forward CHECK (due > 0)""":
        "constraint line_rolls_forward of book.line is CHECK",
    "ALTER TABLE book.account ADD UNIQUE (contact)": "of book.account is not known to this",
    "CREATE UNIQUE INDEX once ON book.parked (customer_id)": "unique index once of book.parked",
    "DROP INDEX book.run_period_claimed": "run_period_claimed of book.run is missing",
    """ALTER TABLE book.line ADD CONSTRAINT known
        FOREIGN KEY (customer_id) REFERENCES book.account NOT VALID""":
        "constraint known of book.line is not known",
    """CREATE TABLE public.mine (tick_id text COLLATE "C" REFERENCES book.run)""":
        "constraint mine_tick_id_fkey of public.mine is not known",
    "ALTER TABLE book.page DROP CONSTRAINT page_tick_id_fkey": "page_tick_id_fkey of book.page is",
    "ALTER TABLE book.page DISABLE TRIGGER ALL": "page_tick_id_fkey of book.page is FOREIGN",
    "ALTER TABLE book.account ADD EXCLUDE USING btree (bucket WITH =)":
        "is not known to this release: EXCLUDE",
    "ALTER TABLE book.position DISABLE TRIGGER USER": "trigger moved_back of book.position is dis",
    f"""{FUNCTION} CREATE TRIGGER mine BEFORE INSERT ON book.account
        FOR EACH ROW EXECUTE FUNCTION public.nothing()""":
        "trigger mine of book.account is not known to this release",
    "CREATE RULE quiet AS ON INSERT TO book.parked DO INSTEAD NOTHING":
        "rule quiet of book.parked is not known",
    """CREATE OR REPLACE FUNCTION book.check_chain() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN 1 / 0; END'""": "function book.check_chain() differs",
    "ALTER FUNCTION book.lock SECURITY DEFINER": "function book.lock(names text[]) differs",
}  # fmt: skip
"""What a later release may have made otherwise, on purpose."""
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


async def test_what_is_wanted_is_what_the_migrations_lead_to(
    connection: asyncpg.Connection, pytestconfig: pytest.Config
) -> None:
    found = await shape_of(connection)
    if pytestconfig.getoption("write_shape"):
        FILE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        wanted.cache_clear()

    assert found == wanted(), "see CONTRIBUTING.md, Add a migration: --write-shape"


@pytest.mark.parametrize("path", ["public", "book, report", "''"])
async def test_a_book_as_it_was_migrated_fits_whatever_the_search_path(
    connection: asyncpg.Connection, path: str
) -> None:
    await connection.execute(f"SET search_path = {path}; SET ROLE rollforward_writer")

    assert await expect_fit(connection) == []


async def test_a_book_that_was_dumped_and_put_back_fits(
    connection: asyncpg.Connection, database: str, postgres: Postgres, tmp_path: Path
) -> None:
    """PostgreSQL writes a constraint otherwise once it has read its own text of it."""
    put_back = f"{database.rpartition('/')[0]}/put_back"
    dump = str(tmp_path / "dump")
    await connection.execute("CREATE DATABASE put_back")
    try:
        for program, *arguments in (
            ("pg_dump", "--format=custom", f"--file={dump}", database),
            ("pg_restore", "--exit-on-error", f"--dbname={put_back}", dump),
        ):
            run = await asyncio.create_subprocess_exec(postgres._bin / program, *arguments)
            assert await run.wait() == 0
        there = await asyncpg.connect(put_back)
        assert await expect_fit(there) == []
        await there.close()
    finally:
        await connection.execute("DROP DATABASE put_back WITH (FORCE)")


async def test_indexes_may_be_made_anew_under_workers(
    connection: asyncpg.Connection, database: str
) -> None:
    reader, other = await asyncpg.connect(database), await asyncpg.connect(database)
    async with reader.transaction(isolation="repeatable_read"):
        await reader.fetch("SELECT FROM book.line")  # REINDEX waits for it
        await other.execute("SET statement_timeout = '2s'")
        for table in ("line", "run"):
            with pytest.raises(asyncpg.QueryCanceledError):
                await other.execute(f"REINDEX TABLE CONCURRENTLY book.{table}")
    left = await connection.fetch("SELECT relname FROM pg_class WHERE relname LIKE '%\\_ccnew'")
    assert {"line_pkey_ccnew", "run_period_claimed_ccnew"} <= {row["relname"] for row in left}
    assert await expect_fit(connection) == []
    await reader.close()
    await other.close()


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("CHECK (((a >= 0) AND (a < b)) AND (c))", "CHECK ((a >= 0) AND (a < b) AND (c))"),
        ("CHECK (a AND (b AND (c OR (d OR e))))", "CHECK (a AND b AND (c OR d OR e))"),
        ("CHECK ((a OR b) AND c)", "CHECK ((a OR b) AND c)"),
        ("CHECK (NOT (a AND b) AND f(a AND b) AND c)",) * 2,
        ("CHECK (a <> '((b AND c) AND d)''' AND (b))",) * 2,
        ("CHECK (a",) * 2,
    ],
)
def test_brackets_that_say_nothing_are_no_difference(fact: str, said: str) -> None:
    assert flat(fact) == said


async def test_a_book_changed_by_hand_is_told_by_what_was_changed(
    connection: asyncpg.Connection,
) -> None:
    for change, said in {**NEEDED, **OURS}.items():
        with pytest.raises(BookDiffers, match=re.escape(said)) as differs:
            await fits_with(connection, change)
        assert "nobody is set apart for it. Put it back" in str(differs.value)


async def test_a_book_that_a_later_release_has_migrated_has_what_this_one_needs(
    connection: asyncpg.Connection,
) -> None:
    for change, said in NEEDED.items():
        with pytest.raises(BookDiffers, match=re.escape(said)):
            await fits_with(connection, f"{LATER}; {change}")


async def test_a_book_that_a_later_release_has_migrated_may_have_its_own_rules(
    connection: asyncpg.Connection,
) -> None:
    for change in OURS:
        assert await fits_with(connection, f"{LATER}; {change}") == ["9998_later.sql"], change


async def fits_with(connection: asyncpg.Connection, change: str) -> list[str]:
    """Ask whether the book fits once it is changed, and take the change back."""
    change_alone = connection.transaction()
    await change_alone.start()
    try:
        await connection.execute(change)
        return await expect_fit(connection)
    finally:
        await change_alone.rollback()


async def test_a_later_migration_that_adds_or_widens_is_no_fault(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("""
        ALTER TABLE book.account ADD COLUMN colour text, ADD COLUMN size integer NOT NULL DEFAULT 0;
        ALTER TABLE book.page ALTER at_bucket TYPE integer;
        CREATE TABLE book.later (number integer NOT NULL);
        CREATE OR REPLACE FUNCTION book.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'refused' USING ERRCODE = 'insufficient_privilege';
        END $$;
        INSERT INTO book.migration (name) VALUES ('9998_later.sql');
    """)

    assert await expect_fit(connection) == ["9998_later.sql"]


async def test_a_later_migration_that_takes_away_says_so_by_its_name(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("INSERT INTO book.migration VALUES ('9998_no_page.contract.sql')")

    with pytest.raises(BookDiffers, match=r"newer than this release: 9998_no_page\.contract\.sql"):
        await expect_migrated(connection)


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
