"""A past statement reads the same for ever (contract §1, promise 8)."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from shared.ledger.postgres.book import lock_buckets
from shared.runtime.buckets import bucket_of
from tests.postgres.booked import Booked, pay, signup
from tests.postgres.kept import Kept, payment
from tests.postgres.kept import signup as told
from tests.support.patience import QUIET_SECONDS

AS_OF = "SELECT period, paid::text, due::text FROM report.statement_as_of($1, $2)"


@pytest_asyncio.fixture
async def other(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def _waits(connection: asyncpg.Connection, pid: int) -> None:
    """Return when a backend waits for an advisory lock."""
    while not await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)", pid
    ):
        await asyncio.sleep(0.01)


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
    await lock_buckets(books.connection, [bucket_of(customer_id, 12)])
    if customer_id == "karim":
        await books.play(signup("karim", "2026-01-01"))
    await books.play(pay("p-1", customer_id, 30_000, "2026-01-02"))

    reading = asyncio.create_task(_asked(other, customer_id))
    await asyncio.wait_for(_waits(books.connection, other.get_server_pid()), QUIET_SECONDS)
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
                lock_buckets(books.connection, [bucket_of("rahim", 12)]), timeout=QUIET_SECONDS
            )


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
