"""A small batch leaves its lines and outcomes to the statement that moves its position."""

from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from aiokafka import TopicPartition

from shared.ledger.postgres import positions
from shared.ledger.postgres.save import COPY_FROM_ROWS
from shared.runtime.committing import Committer
from shared.runtime.database import Database
from shared.runtime.health import Health
from shared.runtime.judge import Judge
from shared.runtime.loop import Loop
from shared.schemas.publish import binary
from shared.schemas.topics import PAYMENTS
from tests.postgres.kept import Kept, Record, payment, signup

AT = TopicPartition(PAYMENTS, 0)
CUSTOMERS = [f"c-{number}" for number in range(COPY_FROM_ROWS)]
WRITTEN = """
SELECT (SELECT count(*) FROM book.line WHERE kind = 'payment'),
    (SELECT count(*) FROM book.command WHERE command_id ~ '^payment')
"""


class Counting:
    """A connection that notes what is asked of it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in ("execute", "executemany", "fetch", "fetchrow", "copy_records_to_table"):
            return found

        def noted(*arguments: Any, **named: Any) -> Any:
            self.asked.append(arguments[0])
            return found(*arguments, **named)

        return noted


@pytest.fixture
async def book(connection: asyncpg.Connection) -> asyncpg.Connection:
    """A book of some customers, with a position to move."""
    kept = Kept(connection)
    await kept.tell(*(signup(each, "2026-01-17") for each in CUSTOMERS))
    await positions.held(connection, "collector", [tuple(AT)], {}, None)
    return connection


def committer(database: str) -> Committer:
    loop = Loop(
        "collector", [], "", Database(database, "x"), Judge(ZoneInfo("Asia/Dhaka"), 12), Health()
    )
    loop._reading.positions[AT] = 0
    return loop._committer


def records(count: int) -> list[Record]:
    made = []
    for offset, each in enumerate(CUSTOMERS[:count]):
        kind, data = payment(f"p-{offset}", each, "5.00", "2026-01-20")
        record = Record(binary(kind, data, f"e-{offset}", "test"))
        record.offset = offset
        made.append(record)
    return made


@pytest.mark.parametrize(
    ("count", "statements"), [(1, 4), (COPY_FROM_ROWS - 1, 4), (COPY_FROM_ROWS, 6)]
)
async def test_a_payment_takes_few_round_trips(
    book: asyncpg.Connection, database: str, count: int, statements: int
) -> None:
    """The lock, the world, the accounts, and all that is written at once: where there is much of it
    lines and outcomes are copied."""
    counting: Any = Counting(book)

    await committer(database).apply(counting, {AT: records(count)})

    assert len(counting.asked) == statements
    assert tuple(await book.fetchrow(WRITTEN)) == (count, count)
    assert (await positions.known(book, "collector", [tuple(AT)]))[tuple(AT)].next_offset == count


async def test_rows_that_were_left_are_not_saved_where_the_position_has_moved(
    book: asyncpg.Connection, database: str
) -> None:
    zombie = committer(database)
    await committer(database).apply(book, {AT: records(1)})

    with pytest.raises(positions.Fenced):
        await zombie.apply(book, {AT: records(2)})

    assert tuple(await book.fetchrow(WRITTEN)) == (1, 1)
