"""Several relays on one book: they take turns, and one that hangs loses its turn."""

import asyncio
import json
from collections import Counter
from itertools import count
from typing import Any

import asyncpg

from shared.embedded import Kafka
from shared.ledger.postgres import outgoing
from shared.runtime.database import Database
from shared.runtime.health import Health
from shared.runtime.relay import Relay
from shared.schemas.topics import LEDGER
from tests.postgres.kept import Kept, payment, signup
from tests.support.live import live

CUSTOMERS = [f"c-{number}" for number in range(20)]


class Counting(Relay):
    published = 0

    async def _pass(self, *servers: Any) -> int:
        rows = await super()._pass(*servers)
        self.published += rows
        return rows


async def test_relays_take_turns_and_publish_each_line_once_in_its_order(
    kafka: Kafka, database: str
) -> None:
    book = Kept(await asyncpg.connect(database))
    async with live(kafka.bootstrap, database, workers=("collector",)) as fleet:
        pools = [Database(database, "relay") for _ in range(2)]
        relays = [Counting(kafka.bootstrap, each, Health()) for each in pools]
        running = [asyncio.create_task(each.run()) for each in relays]
        await book.tell(*(signup(each, "2026-01-01") for each in CUSTOMERS))
        for turn in count():
            await book.tell(
                *(payment(f"{turn}-{each}", each, "1.00", "2026-01-02") for each in CUSTOMERS)
            )
            if all(each.published for each in relays):
                break
        while await outgoing.waiting(book.connection):
            await asyncio.sleep(0.01)
        for relay in relays:
            relay.stop()
        await asyncio.gather(*running)
        for pool in pools:
            await pool.close()

        told = [json.loads(record.value) for record in await fleet.records(LEDGER)]

    seen = Counter[str]()
    for line in told:
        seen[line["customer_id"]] += 1
        assert line["seq"] == seen[line["customer_id"]]
    assert len(told) == await book.connection.fetchval("SELECT count(*) FROM book.line")
    await book.connection.close()


async def test_a_relay_that_hangs_loses_its_cursors(database: str) -> None:
    hanging, other = [await asyncpg.connect(database) for _ in range(2)]
    wanted = [("line", 7), ("notice", 8)]
    await hanging.execute("BEGIN")
    taken = await outgoing.take(hanging, wanted, "100ms")
    assert list(taken) == wanted

    while True:
        async with other.transaction():
            if await outgoing.take(other, wanted, "60s") == taken:
                break

    for each in (hanging, other):
        each.terminate()
