"""Two batches at once on two connections: what the locks and the unique keys leave of them."""

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka import TopicPartition

from shared.ledger.postgres import positions
from shared.ledger.postgres.appending import Last
from shared.runtime.database import Database
from shared.runtime.health import Health
from shared.runtime.judge import Judge
from shared.runtime.loop import Loop
from shared.schemas.publish import binary
from shared.schemas.topics import PAYMENTS, SIGNUPS
from tests.support.patience import until

JUDGE = Judge(ZoneInfo("Asia/Dhaka"), 96)


def record(type_: str, offset: int, **data: Any) -> Any:
    message = binary(type_, data, f"e-{offset}", "test")
    return SimpleNamespace(**message._asdict(), partition=0, offset=offset, timestamp=0)


def signup(customer_id: str, offset: int, **others: Any) -> Any:
    return record(
        "billing.customer.signed_up.v1",
        offset,
        customer_id=customer_id,
        signed_up_at="2026-01-01T10:00:00+06:00",
        joined_on="2026-01-01",
        name="Rahim",
        phone="+8801711000001",
        package={"code": "home", "price": "1000.00"},
        cycle={"kind": "start_of_month"},
        **others,
    )


def payment(customer_id: str, payment_id: str, offset: int, **others: Any) -> Any:
    return record(
        "billing.payment.received.v1",
        offset,
        payment_id=payment_id,
        customer_id=customer_id,
        amount="100.00",
        method="bkash",
        channel="online",
        received_at="2026-01-05T10:00:00+06:00",
        reference="TX-1",
        actor="app",
        **others,
    )


class Batches:
    """The committing half of a loop, given records by hand instead of by Kafka."""

    def __init__(self, url: str, consumer: str) -> None:
        self.database = Database(url, "test")
        self.loop = Loop(consumer, [], "", self.database, JUDGE, Health())

    async def commit(self, topic: str, *records: Any, before: Any = None) -> None:
        partition = TopicPartition(topic, 0)

        async with self.database.connection() as connection:
            at = await positions.held(connection, self.loop.name, [partition], {}, None)
            self.loop._reading.positions[partition] = at[partition].next_offset

            async def work(last: Last) -> Any:
                if before is not None:
                    await before()
                return await JUDGE(connection, records, last)

            await self.loop._committer.commit(connection, {partition: records}, work)


async def test_two_batches_that_meet_on_a_reference_leave_one_payment(database: str) -> None:
    first, second = Batches(database, "one"), Batches(database, "two")
    customers = ["c-1", "c-2"]
    assert len(set(map(JUDGE.bucket_of, customers))) == 2, "or their lock would part them"
    await first.commit(SIGNUPS, *(signup(each, at) for at, each in enumerate(customers)))

    await meet(database, [payment("c-1", "p-1", 2)], second, PAYMENTS, payment("c-2", "p-2", 0))

    watcher = await asyncpg.connect(database)
    rows = await watcher.fetch("SELECT command_id, outcome, reason FROM report.command"
                               " WHERE command_id ~ '^payment' ORDER BY command_id")  # fmt: skip
    assert [tuple(row) for row in rows] == [
        ("payment/p-1", "accepted", None),
        ("payment/p-2", "refused", "reference_already_used"),
    ]
    for each in (watcher, first.database, second.database):
        await each.close()


async def test_two_batches_that_share_a_reference_at_once_both_hold_it(database: str) -> None:
    first, second = Batches(database, "one"), Batches(database, "two")
    await first.commit(SIGNUPS, *(signup(each, at) for at, each in enumerate(["c-1", "c-2"])))
    await first.commit(PAYMENTS, payment("c-1", "p-1", 0, shared=True))

    taken = [payment("c-1", "p-2", 1, shared=True)]
    await meet(database, taken, second, PAYMENTS, payment("c-2", "p-3", 0, shared=True))

    watcher = await asyncpg.connect(database)
    held = await watcher.fetchval("SELECT payments FROM book.payment_reference")
    assert held == "payment/p-1 payment/p-2 payment/p-3"
    for each in (watcher, first.database, second.database):
        await each.close()


async def test_two_signups_that_meet_on_a_username_leave_one_of_them(database: str) -> None:
    second = Batches(database, "two")
    assert JUDGE.bucket_of("c-1") != JUDGE.bucket_of("c-2"), "or their lock would part them"

    taken = [signup("c-1", 0, username="rahim")]
    await meet(database, taken, second, SIGNUPS, signup("c-2", 0, username="rahim"))

    watcher = await asyncpg.connect(database)
    rows = await watcher.fetch("SELECT command_id, reason FROM report.command ORDER BY command_id")
    assert [tuple(row) for row in rows] == [
        ("signup/c-1", None),
        ("signup/c-2", "username_taken"),
    ]
    for each in (watcher, second.database):
        await each.close()


async def meet(database: str, first: list[Any], second: Batches, topic: str, *records: Any) -> None:
    """Commit a first batch, which has judged and written, once the second waits for it."""
    connection, watcher = await asyncpg.connect(database), await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    await JUDGE(connection, first)
    meeting = asyncio.create_task(second.commit(topic, *records))
    await until(
        lambda: watcher.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"),
        "the second batch to wait for the first",
    )
    await transaction.commit()
    await meeting
    for each in (connection, watcher):
        await each.close()


async def test_a_batch_from_a_position_that_has_moved_is_fenced(database: str) -> None:
    ours, zombie = Batches(database, "generator"), Batches(database, "generator")
    partition = TopicPartition(SIGNUPS, 0)
    async with zombie.database.connection() as connection:
        at = await positions.held(connection, "generator", [partition], {}, None)
        zombie.loop._reading.positions[partition] = at[partition].next_offset
        await ours.commit(SIGNUPS, signup("c-1", 0))

        woken = [signup("c-1", 0)]
        try:
            await zombie.loop._committer.commit(
                connection, {partition: woken}, partial(JUDGE, connection, woken)
            )
            fenced = False
        except positions.Fenced:
            fenced = True

    assert fenced
    for each in (ours.database, zombie.database):
        await each.close()
