"""Books that benchmarks write without events: every line is valid."""

import os
import subprocess
import sys
from functools import partial
from zoneinfo import ZoneInfo

import asyncpg

from benches.events import LAST, customer_id
from benches.fleet import processor_seconds
from benches.history import History, Shape, world_at
from shared.kafka.buckets import bucket_of
from shared.ledger.postgres import baselines, outgoing, reports
from shared.operator.verify import verify
from shared.schemas.topics import RECHECKS
from tests.conftest import BUCKETS, ZONE

POLICY = '[[tax]]\ncode = "VAT"\nrate = "5"\nfrom = 2000-01-01\n'
CUSTOMERS = 20
SHAPE = Shape(periods=3, paid=5)


async def written(connection: asyncpg.Connection) -> History:
    await reports.apply_policy(connection, POLICY, RECHECKS)
    world = world_at(await baselines.now(connection), await reports.policies(connection))
    buckets = partial(bucket_of, buckets=BUCKETS)
    history = History(CUSTOMERS, SHAPE, world, ZoneInfo(ZONE), buckets)
    await history.write(connection)
    return history


async def test_a_book_written_at_once_is_right_in_every_line(
    connection: asyncpg.Connection, database: str
) -> None:
    await written(connection)

    found = await verify(connection, database, lambda done, total: None)

    assert (found.lines, found.customers, found.fault) == (20 * 3 + 5 * 3, CUSTOMERS, None)


async def test_who_pays_owes_nothing_and_who_does_not_owes_all(
    connection: asyncpg.Connection,
) -> None:
    await written(connection)

    paid = await reports.statement(connection, customer_id(4))
    unpaid = await reports.statement(connection, customer_id(5))

    assert [str(row["due"]) for row in paid] == ["0.00", "0.00", "0.00"]
    assert [str(row["due"]) for row in unpaid] == ["525.00", "1050.00", "1575.00"]
    assert [row["period"] for row in unpaid] == ["2025-11", "2025-12", LAST]


async def test_the_month_after_may_be_written_for_a_few(
    connection: asyncpg.Connection, database: str
) -> None:
    history = await written(connection)

    await history.write_month(connection, 6)

    found = await verify(connection, database, lambda done, total: None)
    assert (found.lines, found.fault) == (75 + 6 + 5, None)


async def unpublished(connection: asyncpg.Connection) -> list[outgoing.NextLine]:
    waiting = await outgoing.waiting(connection)
    if not waiting:
        return []
    async with connection.transaction():
        cursors = await outgoing.take(connection, waiting, "60s")
        return await outgoing.next_lines(connection, cursors, 1000)


async def test_a_book_marked_as_published_has_nothing_for_the_relay(
    connection: asyncpg.Connection,
) -> None:
    history = await written(connection)
    assert await unpublished(connection) != []

    await baselines.mark_published(connection)

    assert await unpublished(connection) == []
    await history.write_month(connection, 1)
    assert len(await unpublished(connection)) == 2


def test_about_so_many_lines_are_written_as_were_asked_for() -> None:
    assert Shape(periods=24, paid=0).customers_for(24_000) == 1000
    assert Shape(periods=24, paid=100).customers_for(24_000) == 500
    assert Shape(periods=240, paid=90).customers_for(1) == 1


def test_the_processor_time_of_a_process_includes_children_that_have_ended() -> None:
    before = processor_seconds(os.getpid())

    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)

    assert processor_seconds(os.getpid()) - before > 0.2
