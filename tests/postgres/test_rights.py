"""Owners, rights and sequences by which the promises could be undone: no worker goes on then."""

import asyncio
import re

import asyncpg
import pytest

from shared.ledger.postgres.health import rights, set_back
from shared.ledger.postgres.migrate import migrate
from shared.ledger.postgres.shape import BookDiffers, append_only, expect_fit, wanted
from shared.runtime.context import Context
from shared.runtime.fitness import keep_looking, unfit_book
from shared.runtime.settings import Settings
from tests.postgres.kept import Kept, payment, signup
from tests.postgres.test_shape import LATER, fits_with

SEQUENCES = (
    "line_position_seq",
    "command_position_seq",
    "conflict_position_seq",
    "outgoing_position_seq",
    "parked_position_seq",
    "notice_position",
    "entitlement_position",
)
OTHERWISE = (
    "INCREMENT BY -1",
    "INCREMENT BY 2",
    "CACHE 20",
    "CYCLE",
    "MAXVALUE 1000",
    "AS integer",
)
UNDOES = {
    "GRANT rollforward_owner TO rollforward_writer":
        "rollforward_writer is a member of rollforward_owner, directly or by another role: REVOKE",
    "ALTER ROLE rollforward_writer NOINHERIT; GRANT rollforward_owner TO rollforward_writer":
        "rollforward_writer is a member of rollforward_owner",
    """CREATE ROLE between NOINHERIT; GRANT rollforward_owner TO between;
    GRANT between TO rollforward_writer""": "rollforward_writer is a member of rollforward_owner",
    "GRANT rollforward_owner TO rollforward_reader":
        "rollforward_reader is a member of rollforward_owner",
    "GRANT rollforward_writer TO rollforward_reader":
        "rollforward_reader is a member of rollforward_writer",
    "ALTER ROLE rollforward_writer SUPERUSER": "ALTER ROLE rollforward_writer NOSUPERUSER",
    "ALTER ROLE rollforward_writer CREATEROLE": "ALTER ROLE rollforward_writer NOCREATEROLE",
    "ALTER SCHEMA book OWNER TO rollforward_writer":
        "schema book is owned by rollforward_writer: ALTER SCHEMA book OWNER TO rollforward_owner",
    "ALTER SCHEMA book_lock OWNER TO rollforward_writer": "schema book_lock is owned by",
    "ALTER TABLE book.line OWNER TO rollforward_writer": "table book.line is owned by",
    "ALTER TABLE book_lock.bucket_7 OWNER TO rollforward_writer":
        "table book_lock.bucket_7 is owned by",
    "ALTER FUNCTION book.lock OWNER TO rollforward_writer":
        "ALTER FUNCTION book.lock(names text[]) OWNER TO rollforward_owner",
    "GRANT TRIGGER ON book.line TO rollforward_writer":
        "REVOKE TRIGGER ON book.line FROM rollforward_writer",
    "GRANT REFERENCES ON book.command TO PUBLIC": "REVOKE REFERENCES ON book.command FROM PUBLIC",
    "GRANT REFERENCES (version) ON book.policy TO rollforward_reader":
        "REVOKE REFERENCES (version) ON book.policy FROM rollforward_reader",
    "GRANT TRUNCATE ON book.seal TO rollforward_reader":
        "REVOKE TRUNCATE ON book.seal FROM rollforward_reader",
    "GRANT UPDATE ON book_lock.bucket_7 TO rollforward_reader":
        "REVOKE UPDATE ON book_lock.bucket_7 FROM rollforward_reader",
    "GRANT DELETE ON book_lock.seal TO PUBLIC": "REVOKE DELETE ON book_lock.seal FROM PUBLIC",
    "DROP TABLE book_lock.bucket_7": "book_lock.bucket_7 is missing. That is nobody's data",
    "DROP TABLE book_lock.policy": "book_lock.policy is missing",
    "CREATE TABLE public.later () INHERITS (book.account)":
        "book.account has the child later: ALTER TABLE later NO INHERIT book.account",
}  # fmt: skip


async def test_a_fresh_book_has_its_owners_rights_and_locks(connection: asyncpg.Connection) -> None:
    assert await rights(connection, [*wanted()], append_only()) == []


async def test_what_undoes_a_promise_is_named_with_the_statement_that_mends_it(
    connection: asyncpg.Connection,
) -> None:
    for change, said in UNDOES.items():
        for migrated_later in ("", f"{LATER}; "):
            with pytest.raises(BookDiffers, match=re.escape(said)):
                await fits_with(connection, migrated_later + change)


async def test_a_login_that_dumps_the_book_stops_nobody(connection: asyncpg.Connection) -> None:
    """pg_dump needs to read every table, the locks included."""
    assert (
        await fits_with(
            connection,
            """CREATE ROLE dumps; GRANT USAGE ON SCHEMA book, book_lock TO dumps;
            GRANT SELECT ON ALL TABLES IN SCHEMA book, book_lock TO dumps""",
        )
        == []
    )


async def test_migrate_makes_the_locks_that_are_missing(connection: asyncpg.Connection) -> None:
    await connection.execute("DROP TABLE book_lock.bucket_7; DROP TABLE book_lock.telling_95")

    with pytest.raises(BookDiffers, match="Run `rollforward migrate`, which makes them") as lost:
        await expect_fit(connection)
    assert "Put it back" not in str(lost.value)

    await migrate(connection, 12, "Asia/Dhaka", 96)
    assert await expect_fit(connection) == []


@pytest.mark.parametrize("change", ["GRANT TRIGGER ON book.line TO rollforward_writer"])
async def test_a_worker_does_not_start_like_this_and_ends_while_it_runs(
    connection: asyncpg.Connection, database: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.runtime.fitness.BOOK_SECONDS", 0.01)
    settings = Settings(kafka="127.0.0.1:1", database_url=database)
    running, starting = Context("relay", settings), Context("relay", settings)
    stopping = asyncio.Event()
    assert await unfit_book(running, stopping) is None
    looking = asyncio.create_task(keep_looking(running, stopping))

    await connection.execute(change)
    await running.differs.wait()

    assert "REVOKE TRIGGER ON book.line" in str(running.difference)
    assert "REVOKE TRIGGER ON book.line" in str(await unfit_book(starting, stopping))
    stopping.set()
    looking.cancel()
    for each in (*running.databases, *starting.databases):
        await each.close()


# Sequences ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", SEQUENCES)
async def test_a_sequence_that_counts_otherwise_is_named(
    connection: asyncpg.Connection, sequence: str
) -> None:
    for change in OTHERWISE:
        for migrated_later in ("", f"{LATER}; "):
            with pytest.raises(BookDiffers, match=f"sequence book.{sequence} is .* not bigint INC"):
                await fits_with(
                    connection, f"{migrated_later}ALTER SEQUENCE book.{sequence} {change}"
                )


async def test_an_added_sequence_does_no_harm(connection: asyncpg.Connection) -> None:
    change = "CREATE SEQUENCE book.mine; ALTER TABLE book.page ADD extra integer DEFAULT 1"

    assert await fits_with(connection, change) == []


async def test_a_sequence_that_was_set_back_is_named_with_what_mends_it(
    connection: asyncpg.Connection,
) -> None:
    kept = Kept(connection)
    await kept.policy("[billing]")
    await kept.tell(
        signup("rahim", "2026-01-17"),
        payment("p-1", "rahim", "1.00", "2026-01-20"),
        payment("p-1", "rahim", "2.00", "2026-01-20"),
    )
    await connection.execute("UPDATE book.relay SET position = 5 WHERE stream = 'notice'")
    await connection.execute("SELECT setval('book.notice_position', 5)")
    assert await set_back(connection) == []

    for name in ("line", "command", "conflict", "outgoing"):
        sequence = f"book.{name}_position_seq"
        most = await connection.fetchval(f"SELECT max(position) FROM book.{name}")
        said = f"{sequence} would give positions again: it is at 0, and {most} was given"
        with pytest.raises(BookDiffers, match=said) as differs:
            await fits_with(connection, f"ALTER SEQUENCE {sequence} RESTART")
        assert f"SELECT setval('{sequence}', {most})" in str(differs.value)
    with pytest.raises(BookDiffers, match=r"it is at 4, and 5 was given"):
        await fits_with(connection, "SELECT setval('book.notice_position', 4)")


async def test_rows_that_have_left_hold_a_sequence_too(connection: asyncpg.Connection) -> None:
    await connection.execute("""
        UPDATE book.relay SET position = 9 WHERE stream = 'outgoing';
        SELECT setval('book.outgoing_position_seq', 8);
    """)

    assert [hole.table for hole in await set_back(connection)] == ["book.outgoing_position_seq"]


async def test_the_writer_may_read_sequences_and_set_none(connection: asyncpg.Connection) -> None:
    await connection.execute("SET ROLE rollforward_writer")

    assert await set_back(connection) == []
    for sequence in SEQUENCES:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"SELECT setval('book.{sequence}', 1)")
