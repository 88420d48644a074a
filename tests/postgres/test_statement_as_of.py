"""A past statement reads the same for ever (docs/rules.md#promises, the eighth)."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from shared.kafka.buckets import bucket_of
from shared.ledger.postgres.locks import lock_buckets
from tests.postgres.booked import Booked, pay, signup
from tests.postgres.kept import Kept, payment
from tests.postgres.kept import signup as told
from tests.support.patience import QUIET_SECONDS, until

AS_OF = "SELECT period, paid::text, due::text FROM report.statement_as_of($1, $2)"


@pytest_asyncio.fixture
async def other(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def _waits(connection: asyncpg.Connection, pid: int) -> None:
    """Return when a backend waits, in the view and for no lock."""
    await until(
        lambda: connection.fetchval(
            "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1", pid
        ),
        "the reader to wait for a writer",
    )


async def _asked(connection: asyncpg.Connection, customer_id: str) -> list[tuple[Any, ...]]:
    rows = await connection.fetch(AS_OF, customer_id, datetime(2030, 1, 1, tzinfo=UTC))
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("customer_id", ["rahim", "karim"], ids=["known", "signing up"])
async def test_a_reader_waits_for_the_writer_whose_lines_bear_an_earlier_instant(
    books: Booked, other: asyncpg.Connection, customer_id: str
) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    writing = books.connection.transaction()
    await writing.start()
    await lock_buckets(books.connection, [bucket_of(customer_id, 96)])
    if customer_id == "karim":
        await books.play(signup("karim", "2026-01-01"))
    await books.play(pay("p-1", customer_id, 30_000, "2026-01-02"))

    reading = asyncio.create_task(_asked(other, customer_id))
    await _waits(books.connection, other.get_server_pid())
    await writing.commit()

    assert await reading == [("2026-01", "300.00", "700.00")]


async def test_a_reader_who_lingers_holds_up_no_writer(
    books: Booked, other: asyncpg.Connection
) -> None:
    await books.play(signup("rahim", "2026-01-01"))

    async with other.transaction():
        await _asked(other, "rahim")
        async with books.connection.transaction():
            await asyncio.wait_for(
                lock_buckets(books.connection, [bucket_of("rahim", 96)]), timeout=QUIET_SECONDS
            )


async def test_a_reader_waits_for_no_writer_who_came_later_and_for_no_dump(
    books: Booked, other: asyncpg.Connection, database: str
) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    bucket = bucket_of("rahim", 96)
    first, second = [await asyncpg.connect(database) for _ in range(2)]
    writing = first.transaction()
    await writing.start()
    await lock_buckets(first, [bucket])
    async with books.connection.transaction():
        await books.connection.execute(f"LOCK TABLE book_lock.bucket_{bucket} IN ACCESS SHARE MODE")

        reading = asyncio.create_task(_asked(other, "rahim"))
        await _waits(books.connection, other.get_server_pid())
        async with second.transaction():
            later = asyncio.create_task(lock_buckets(second, [bucket]))
            await until(
                lambda: books.connection.fetchval(
                    "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)",
                    second.get_server_pid(),
                ),
                "the later writer to wait for the earlier one",
            )
            await writing.commit()
            await later

            assert await asyncio.wait_for(reading, QUIET_SECONDS) == [
                ("2026-01", "0.00", "1000.00")
            ]
    for each in (first, second):
        await each.close()


async def test_no_search_path_lets_a_reader_pass_a_writer(
    books: Booked, other: asyncpg.Connection
) -> None:
    """A schema with views that show no locks, and an operator that finds none, come first."""
    await books.play(signup("rahim", "2026-01-01"))
    await books.connection.execute(
        "CREATE SCHEMA blind; GRANT USAGE ON SCHEMA blind TO PUBLIC;"
        "CREATE VIEW blind.pg_locks AS SELECT * FROM pg_catalog.pg_locks WHERE false;"
        "CREATE VIEW blind.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA blind TO PUBLIC;"
        "CREATE FUNCTION blind.never(name, text) RETURNS boolean LANGUAGE sql RETURN false;"
        "CREATE OPERATOR blind.= (FUNCTION = blind.never, LEFTARG = name, RIGHTARG = text)"
    )
    await other.execute("SET ROLE rollforward_reader; SET search_path = blind, pg_catalog")
    async with books.connection.transaction():
        await lock_buckets(books.connection, [bucket_of("rahim", 96)])
        reading = asyncio.create_task(_asked(other, "rahim"))
        await _waits(books.connection, other.get_server_pid())

    assert await reading == [("2026-01", "0.00", "1000.00")]


async def test_an_old_snapshot_is_refused_for_it_may_miss_lines(
    books: Booked, other: asyncpg.Connection
) -> None:
    async with other.transaction(isolation="repeatable_read"):
        with pytest.raises(asyncpg.InvalidTransactionStateError, match="READ COMMITTED"):
            await _asked(other, "rahim")


async def test_before_the_first_line_there_is_no_statement(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"))

    assert await books.rows(AS_OF, "rahim", datetime(2000, 1, 1, tzinfo=UTC)) == []


async def test_no_commit_changes_an_answer_that_was_given(
    connection: asyncpg.Connection, database: str
) -> None:
    """Writers with transactions that linger, a reader who asks about now: all answers again."""
    customers = [f"c-{number}" for number in range(6)]
    writers = [Kept(await asyncpg.connect(database)) for _ in range(4)]
    await writers[0].tell(*(told(customer_id, "2026-01-01") for customer_id in customers))
    chance = random.Random(7)

    async def write(number: int) -> None:
        kept = writers[number]
        for turn in range(15):
            async with kept.connection.transaction():
                who, on = chance.choice(customers), "2026-01-02"
                await kept.tell(payment(f"{number}-{turn}", who, "1.00", on))
                await kept.connection.execute("SELECT pg_sleep($1)", chance.random() / 50)

    writing = asyncio.gather(*map(write, range(len(writers))))
    given = []
    while not writing.done():
        who = chance.choice(customers)
        instant = await connection.fetchval("SELECT clock_timestamp()")
        given.append((who, instant, await connection.fetch(AS_OF, who, instant)))
    await writing

    assert len({rows[0]["paid"] for _, _, rows in given}) > 3, "answers differed on the way"
    for who, instant, rows in given:
        assert await connection.fetch(AS_OF, who, instant) == rows
    for kept in writers:
        await kept.connection.close()
