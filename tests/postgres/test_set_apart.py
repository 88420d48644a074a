"""What is set apart: the first reason stands, and who is fenced sets nothing apart."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from shared.ledger.postgres import positions
from shared.ledger.postgres.appending import Last
from shared.runtime.committing import Observe
from shared.runtime.database import Database
from shared.runtime.health import Health
from shared.runtime.judge import Judge
from shared.runtime.loop import Loop
from shared.schemas.topics import SIGNUPS
from tests.postgres.test_meeting import JUDGE, payment, signup
from tests.support.later import MIGRATED_LATER

QUARANTINE = "SELECT customer_id, reason, since FROM report.quarantine"


async def test_the_first_reason_of_a_quarantine_stands(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await JUDGE(connection, [signup("c-1", 0)])
    found = []
    for number, why in enumerate(("the first", "the second")):
        async with connection.transaction():
            await JUDGE.set_apart(connection, payment("c-1", f"p-{number}", 1), ValueError(why))
        found.append([tuple(row) for row in await connection.fetch(QUARANTINE)])

    assert found[0] == found[1]
    ((customer_id, reason, _),) = found[1]
    assert (customer_id, reason) == ("c-1", "ValueError: the first")
    parked = await connection.fetch("SELECT command_id FROM report.parked ORDER BY command_id")
    assert [row["command_id"] for row in parked] == ["payment/p-0", "payment/p-1"]


class Counted(Judge):
    """A judge that counts what it is handed and what it is asked to set apart."""

    def __init__(self) -> None:
        super().__init__(ZoneInfo("Asia/Dhaka"), 12)
        self.handed: list[list[int]] = []
        self.apart: list[Exception] = []

    async def __call__(
        self,
        connection: asyncpg.Connection,
        records: Sequence[ConsumerRecord],
        last: Last | None = None,
    ) -> Observe:
        self.handed.append([record.offset for record in records])
        return await super().__call__(connection, records, last)

    async def set_apart(
        self, connection: asyncpg.Connection, record: ConsumerRecord, error: Exception
    ) -> Observe:
        self.apart.append(error)
        return await super().set_apart(connection, record, error)


@pytest.mark.parametrize(
    ("refused", "handed"),
    [("c-3", [[1, 2, 3], [1]]), ("nobody", [[1, 2, 3]])],
    ids=["and-fails", "whole"],
)
async def test_a_fenced_batch_sets_nobody_apart_and_is_not_tried_on(
    connection: asyncpg.Connection, database: str, refused: str, handed: list[list[int]]
) -> None:
    """A zombie's: another worker has moved on. Where the database refuses one of its records as
    well, the first that is tried alone is fenced, and is the last that is tried."""
    partition, records = TopicPartition(SIGNUPS, 0), [signup(f"c-{n}", n) for n in range(1, 4)]
    judge, ours = Counted(), Database(database, "zombie")
    zombie = Loop("generator", [], "", ours, judge, Health())
    await connection.execute(
        f"{MIGRATED_LATER};"
        f"ALTER TABLE book.line ADD CONSTRAINT poison CHECK (customer_id <> '{refused}')"
    )

    async with ours.connection() as working:
        zombie._reading.positions |= {partition: 1}
        await positions.held(working, "generator", [partition], {}, None)
        await connection.execute("UPDATE book.position SET next_offset = 4")
        await zombie._batch(working, {partition: records})
    await ours.close()

    assert judge.handed == handed
    assert judge.apart == []
    assert zombie._reading.positions == {}, "where to go on is asked anew"
    nothing: list[Any] = []
    assert await connection.fetch(QUARANTINE) == nothing
    assert await connection.fetch("SELECT FROM book.command") == nothing
    assert await connection.fetchval("SELECT next_offset FROM book.position") == 4


async def test_a_batch_that_fails_is_tried_one_by_one_and_only_its_cause_is_set_apart(
    connection: asyncpg.Connection, database: str
) -> None:
    partition, records = TopicPartition(SIGNUPS, 0), [signup(f"c-{n}", n) for n in range(3)]
    judge, ours = Counted(), Database(database, "test")
    loop = Loop("generator", [], "", ours, judge, Health())
    await connection.execute(
        f"{MIGRATED_LATER};ALTER TABLE book.line ADD CONSTRAINT poison CHECK (customer_id <> 'c-1')"
    )

    async with ours.connection() as working:
        held = await positions.held(working, "generator", [partition], {}, None)
        loop._reading.positions |= {partition: held[partition].next_offset}
        await loop._batch(working, {partition: records})
    await ours.close()

    assert judge.handed == [[0, 1, 2], [0], [1], [2]]
    assert [type(error) for error in judge.apart] == [asyncpg.CheckViolationError]
    assert loop._reading.positions == {partition: 3}
    apart = await connection.fetch(QUARANTINE)
    assert [row["customer_id"] for row in apart] == ["c-1"]
