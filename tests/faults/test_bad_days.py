"""Bad days, graceful: batches that last, workers told to stop, customers that the database refuses.

Servers that are away for long are in test_outages.py.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from itertools import count
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from services.workers import worker_command
from shared.embedded import Kafka
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.ledger.postgres.locks import lock_buckets
from shared.runtime.settings import Settings
from tests.conftest import BUCKETS
from tests.faults.test_outages import told_to_stop
from tests.faults.test_workers_die import expect_one_bill_each, pay, rows, sign_up, tick
from tests.support.live import fresh_topics
from tests.support.patience import settle

WORKERS = {"coordinator": 1, "generator": 1, "collector": 2, "notifier": 1, "relay": 1}
CUSTOMERS = 300
SESSION_SECONDS = 2.0
AHEAD = 1000
APPLIED = (
    "SELECT coalesce(sum(next_offset), 0)::int FROM book.position WHERE consumer = 'collector'"
)
WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation IS NOT NULL AND NOT granted AND datname = current_database()
"""


def hasty(kind: str) -> Sequence[str]:
    """Return the command of a worker; a collector's session is short."""
    if kind != "collector":
        return worker_command(kind)
    session = str(int(SESSION_SECONDS * 1000))
    return sys.executable, "-m", "tests.support.held_worker", "/nowhere", kind, session


@asynccontextmanager
async def running(
    kafka: Kafka, database: str, data: Path
) -> AsyncIterator[tuple[Fleet, AIOKafkaProducer]]:
    """Run a fleet of processes, its customers signed up, on the servers of the whole test run."""
    await fresh_topics(kafka.bootstrap)
    settings = Settings(kafka=kafka.bootstrap, database_url=database)
    async with (
        Fleet(data, WORKERS, prepare=prepare(settings), settings=settings, command=hasty) as fleet,
        AIOKafkaProducer(bootstrap_servers=fleet.kafka, linger_ms=5) as producer,
    ):
        await sign_up(producer, range(CUSTOMERS))
        await producer.flush()
        await settle(fleet.kafka, fleet.database_admin)
        yield fleet, producer


@asynccontextmanager
async def batches_that_last(
    fleet: Fleet, producer: AIOKafkaProducer, batches: int
) -> AsyncIterator[None]:
    """Publish a payment each while someone holds every customer's lock; the block begins when so
    many batches wait for theirs, and at its end they get them."""
    holder, watcher = [await asyncpg.connect(fleet.database_admin) for _ in range(2)]
    async with holder.transaction():
        await lock_buckets(holder, range(BUCKETS))
        for number in range(CUSTOMERS):
            await pay(producer, number, 1)
        await producer.flush()
        while await watcher.fetchval(WAITING) < batches:
            await asyncio.sleep(0.01)
        yield
    await holder.close()
    await watcher.close()


async def expect_payments(fleet: Fleet, payments: int) -> None:
    (paid,) = await rows(
        fleet, "SELECT count(*), count(DISTINCT command_id) FROM report.ledger"
        " WHERE kind = 'payment'"
    )  # fmt: skip
    assert tuple(paid) == (payments, payments)


async def test_a_batch_that_lasts_longer_than_the_session_keeps_its_partitions_and_commits(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    async with running(kafka, database, tmp_path) as (fleet, producer):
        members = await members_of(fleet, "rollforward-collector")
        assert len(members) == 2
        async with batches_that_last(fleet, producer, 2):
            began = time.monotonic()
            while time.monotonic() - began < 3 * SESSION_SECONDS:
                assert await members_of(fleet, "rollforward-collector") == members
                await asyncio.sleep(0.1)
        await settle(fleet.kafka, fleet.database_admin)

        assert await members_of(fleet, "rollforward-collector") == members
        for name in ("collector", "collector-2"):
            assert "fenced" not in (fleet.folder.log / f"{name}.log").read_text("utf-8")
        await expect_payments(fleet, CUSTOMERS)


async def members_of(fleet: Fleet, group: str) -> dict[str, bytes]:
    """Return who is in a stable group, and what each was assigned."""
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.kafka)
    await admin.start()
    try:
        (told,) = await admin.describe_consumer_groups([group])
        ((_, _, state, _, _, members, *_),) = told.groups
        assert state == "Stable"
        return {member[0]: member[4] for member in members}
    finally:
        await admin.close()


async def test_a_worker_told_to_stop_gives_up_a_batch_that_lasts_and_it_is_done_once(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    async with running(kafka, database, tmp_path) as (fleet, producer):
        async with batches_that_last(fleet, producer, 2):
            stopped = [told_to_stop(fleet, name) for name in ("collector", "collector-2")]
            assert await asyncio.gather(*stopped) == [0, 0]
        await settle(fleet.kafka, fleet.database_admin)
        await expect_payments(fleet, CUSTOMERS)


async def test_workers_told_to_stop_under_load_end_in_order_and_leave_nothing_half_done(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    everyone = 5 * CUSTOMERS
    async with running(kafka, database, tmp_path) as (fleet, producer):
        enough = asyncio.Event()
        load = asyncio.create_task(pay_ahead(fleet, producer, enough))
        await tick(producer, "n-1", date(2026, 2, 1), "nightly")
        await sign_up(producer, range(CUSTOMERS, everyone))
        for names in (
            ("coordinator", "collector"),
            ("generator", "relay"),
            ("notifier", "collector-2"),
        ):
            codes = await asyncio.gather(*(told_to_stop(fleet, name) for name in names))
            assert codes == [0, 0]
            await fleet.until_ready(*names)
        enough.set()
        payments = await load
        await settle(fleet.kafka, fleet.database_admin)

        await expect_one_bill_each(fleet, everyone, "2026-01", "2026-02")
        await expect_payments(fleet, payments)
        receipts = await rows(fleet, "SELECT FROM report.notice WHERE kind = 'receipt'")
        assert len(receipts) == payments
        due = await rows(
            fleet, "SELECT customer_id FROM report.notice WHERE kind = 'due' AND period = '2026-02'"
        )
        told = [row["customer_id"] for row in due]
        assert len(told) == len(set(told))
        # Who pays all the while may owe nothing by the time he would be told.
        assert {f"c-{number:05d}" for number in range(CUSTOMERS, everyone)} <= set(told)


async def pay_ahead(fleet: Fleet, producer: AIOKafkaProducer, enough: asyncio.Event) -> int:
    """Publish payments, always some ahead of the collectors, until enough; return how many."""
    connection = await asyncpg.connect(fleet.database_admin)
    paid = 0
    for amount in count(2):
        for number in range(CUSTOMERS):
            await pay(producer, number, amount)
        await producer.flush()
        paid += CUSTOMERS
        while paid - await connection.fetchval(APPLIED) > AHEAD and not enough.is_set():
            await asyncio.sleep(0.01)
        if enough.is_set():
            break
    await connection.close()
    return paid
