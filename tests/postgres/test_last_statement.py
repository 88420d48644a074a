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
from tests.conftest import BUCKETS
from tests.postgres.kept import Event, Kept, Record, cancellation, payment, signup

AT = TopicPartition(PAYMENTS, 0)
CUSTOMERS = [f"c-{number}" for number in range(COPY_FROM_ROWS)]
WRITTEN = """
SELECT (SELECT count(*) FROM book.line WHERE kind = 'payment'),
    (SELECT count(*) FROM book.command WHERE command_id ~ '^payment')
"""


MAY_CANCEL = """
[[staff]]
id = "boss"
may = ["cancel"]
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
    await kept.tick("2026-03-01")
    await positions.held(connection, "collector", [tuple(AT)], {}, None)
    return connection


def committer(database: str) -> Committer:
    loop = Loop(
        "collector", [], "", Database(database, "x"), Judge(ZoneInfo("Asia/Dhaka"), 96), Health()
    )
    loop._reading.positions[AT] = 0
    return loop._committer


def record(event: Event, offset: int) -> Record:
    kind, data = event
    made = Record(binary(kind, data, f"e-{offset}", "test"))
    made.offset = offset
    return made


def records(count: int) -> list[Record]:
    paid = (payment(f"p-{n}", CUSTOMERS[n], "5.00", "2026-03-20") for n in range(count))
    return [record(each, offset) for offset, each in enumerate(paid)]


@pytest.mark.parametrize(
    ("count", "statements"), [(1, 4), (COPY_FROM_ROWS - 1, 4), (COPY_FROM_ROWS, 6)]
)
async def test_a_payment_takes_few_round_trips(
    book: asyncpg.Connection, database: str, count: int, statements: int
) -> None:
    """The lock, the world, the accounts, and all that is written at once: where there is much of it
    lines and outcomes are copied. The terms are read once a connection."""
    counting: Any = Counting(book)
    folding = Judge(ZoneInfo("Asia/Dhaka"), BUCKETS).folding
    await folding.of_customer(counting, CUSTOMERS[0])
    counting.asked.clear()

    await committer(database).apply(counting, {AT: records(count)})

    assert len(counting.asked) == statements
    assert tuple(await book.fetchrow(WRITTEN)) == (count, count)
    assert (await positions.known(book, "collector", [tuple(AT)]))[tuple(AT)].next_offset == count


async def test_no_statement_of_a_payment_is_planned_anew_for_each_batch(
    book: asyncpg.Connection, database: str
) -> None:
    """PostgreSQL plans a statement for its parameters five times, and then for good, unless it
    takes the plans for better: planning costs more than these statements."""
    await Kept(book).policy(MAY_CANCEL)
    ours, offset = committer(database), 0
    for each in CUSTOMERS[:10]:
        for event in (
            payment(f"today-{each}", each, "5.00", "2026-03-20", reference=f"today-{each}"),
            payment(f"late-{each}", each, "5.00", "2026-01-20"),
            cancellation(f"c-{each}", each, f"payment/late-{each}", "2026-03-21"),
        ):
            await ours.apply(book, {AT: [record(event, offset)]})
            offset += 1
    assert tuple(await book.fetchrow(WRITTEN)) == (20, 20)

    planned = await book.fetch(
        "SELECT left(statement, 60), custom_plans FROM pg_prepared_statements"
        " WHERE statement ~ '^(--|WITH left)' AND custom_plans + generic_plans >= 10"
    )
    assert len(planned) >= 7, "locks, world, accounts, periods, postings, references, the last one"
    assert {name: plans for name, plans in planned if plans > 5} == {}


async def test_rows_that_were_left_are_not_saved_where_the_position_has_moved(
    book: asyncpg.Connection, database: str
) -> None:
    zombie = committer(database)
    await committer(database).apply(book, {AT: records(1)})

    with pytest.raises(positions.Fenced):
        await zombie.apply(book, {AT: records(2)})

    assert tuple(await book.fetchrow(WRITTEN)) == (1, 1)
