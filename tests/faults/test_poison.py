"""One customer's trouble stops one customer: who sits beside him in a batch or a page goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from shared.embedded import Kafka
from shared.kafka.buckets import bucket_of
from shared.ledger.postgres.locks import lock_buckets
from shared.operator.retry import retry
from tests.conftest import BUCKETS, PARTITIONS
from tests.services.test_bad_input_live import PAYMENT, payment, signup
from tests.support.later import MIGRATED_LATER
from tests.support.live import Live, live

PARTITION = 3
NAMES = [
    name for name in map("c-{}".format, range(400)) if bucket_of(name, PARTITIONS) == PARTITION
]
FIRST, PAYS, IS_BILLED = NAMES[0], NAMES[10], NAMES[20]
"""Of the last two the database takes no line any more: one pays, the other is only billed."""
REFUSE = f"""
{MIGRATED_LATER};
ALTER TABLE book.line ADD CONSTRAINT poison CHECK (customer_id NOT IN ('{PAYS}', '{IS_BILLED}'))
    NOT VALID
"""
WAITS = """
SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation IS NOT NULL AND NOT granted AND datname = current_database()
"""


@asynccontextmanager
async def one_batch(fleet: Live) -> AsyncIterator[None]:
    """Let the payments published within the block wait, and be one batch."""
    holder = await asyncpg.connect(fleet.url)
    async with holder.transaction():
        await lock_buckets(holder, range(PARTITION, BUCKETS, PARTITIONS))
        await fleet.publish(PAYMENT, payment("first", customer_id=FIRST))
        while not await fleet.rows(WAITS):
            await asyncio.sleep(0.01)
        yield
    await holder.close()


async def test_who_the_database_refuses_is_set_apart_and_his_neighbours_are_served(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        for name in NAMES:
            await fleet.publish("billing.customer.signed_up.v1", signup(name))
        await fleet.settle()
        for statement in REFUSE.split(";"):
            await fleet.rows(statement)

        payers = [name for name in NAMES if name != IS_BILLED]
        async with one_batch(fleet):
            for number, name in enumerate([*payers, PAYS]):
                await fleet.publish(PAYMENT, payment(f"p-{number}", customer_id=name))
        await fleet.settle()
        tick = {"tick_id": "t", "period": "2026-02", "as_of": "2026-02-01", "trigger": "nightly"}
        await fleet.publish("billing.tick.v1", tick)
        await fleet.settle()

        apart = await fleet.rows("SELECT customer_id, reason FROM report.quarantine ORDER BY since")
        assert [row["customer_id"] for row in apart] == [PAYS, IS_BILLED]
        assert all(row["reason"].startswith("CheckViolationError") for row in apart)
        waiting = await fleet.rows("SELECT customer_id, reason FROM report.parked")
        assert [tuple(row) for row in waiting] == [(PAYS, "quarantined")] * 2
        (run,) = await fleet.rows("SELECT status, billed, quarantined FROM report.run")
        assert tuple(run) == ("done", len(NAMES) - 2, 2)
        paid = await fleet.rows("SELECT DISTINCT customer_id FROM report.ledger"
                                " WHERE kind = 'payment' ORDER BY customer_id")  # fmt: skip
        assert [row["customer_id"] for row in paid] == sorted({*payers} - {PAYS})

        await fleet.rows("ALTER TABLE book.line DROP CONSTRAINT poison")
        released = {each.customer_id: each[1:] for each in await retry(fleet.url, [])}
        assert released == {PAYS: ("released", 2, None), IS_BILLED: ("released", 0, None)}
        await fleet.settle()
        (count,) = await fleet.rows("SELECT count(*) FROM report.statement")
        assert count[0] == 2 * len(NAMES)
        (figures,) = await fleet.rows("SELECT * FROM report.reconciliation")
        assert set(figures.values()) == {0}
