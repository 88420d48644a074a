"""Several relays on one book: they take turns, and one that hangs loses its turn."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from itertools import count
from typing import Any

import asyncpg
import pytest

from shared.embedded import Kafka
from shared.ledger.postgres import outgoing, runs
from shared.runtime import relay as relaying
from shared.runtime.backoff import pause
from shared.runtime.database import Database
from shared.runtime.health import Health
from shared.runtime.relay import IDLE_SECONDS, IDLE_SECONDS_MAX, ROWS_MAX, YIELD_ROWS, Relay
from shared.schemas.topics import LEDGER
from tests.postgres.kept import Kept, payment, signup
from tests.support.live import live
from tests.support.patience import until

CUSTOMERS = [f"c-{number}" for number in range(20)]


class Counting(Relay):
    published = 0

    def __init__(self, *servers: Any) -> None:
        super().__init__(*servers)
        self.passes: list[int] = []
        """What each pass might take of a stream at most."""

    async def _pass(self, connection: Any, producer: Any, rows_max: int = ROWS_MAX) -> int:
        rows = await super()._pass(connection, producer, rows_max)
        self.published += rows
        self.passes.append(rows_max)
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


@asynccontextmanager
async def at_work(kafka: Kafka, database: str) -> AsyncIterator[Counting]:
    pool = Database(database, "relay")
    relay = Counting(kafka.bootstrap, pool, Health())
    running = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        relay.stop()
        await running
        await pool.close()


@pytest.mark.parametrize(
    "over",
    [
        "UPDATE book.run SET finished_at = clock_timestamp()",
        "UPDATE book.run SET started_at = started_at - interval '1 day'",
    ],
    ids=["it has ended", "it takes long"],
)
async def test_the_bills_of_a_run_go_first_for_a_bounded_time_and_all_is_published(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch, over: str
) -> None:
    monkeypatch.setattr(relaying, "YIELD_SECONDS_MAX", 86_000.0)
    book, turns = Kept(await asyncpg.connect(database)), count()
    await book.tell(*(signup(each, "2026-01-01") for each in CUSTOMERS))

    async def pay_until(happened: Callable[[list[int]], bool], relay: Counting) -> list[int]:
        """Let payments come in until it happened; return the passes meanwhile."""
        before = len(relay.passes)
        while not happened(relay.passes[before:]):
            turn = next(turns)
            await book.tell(
                *(payment(f"{turn}-{each}", each, "1.00", "2026-01-02") for each in CUSTOMERS)
            )
        return relay.passes[before:]

    async with live(kafka.bootstrap, database, workers=()) as fleet:
        async with at_work(kafka, database) as relay:
            quiet = await pay_until(lambda passes: len(passes) > 9, relay)
            await runs.add(
                book.connection, [runs.NewRun("t", "2026-01", date(2026, 1, 1), "nightly")]
            )
            await pay_until(lambda passes: YIELD_ROWS in passes, relay)
            published = relay.published
            yielding = await pay_until(lambda _: relay.published > published + 99, relay)
            await book.connection.execute(over)
            await pay_until(lambda passes: ROWS_MAX in passes, relay)
            after = await pay_until(lambda passes: len(passes) > 9, relay)
            while await outgoing.waiting(book.connection):
                await asyncio.sleep(0.01)
        told = [json.loads(record.value) for record in await fleet.records(LEDGER)]

    assert set(quiet) == set(after) == {ROWS_MAX}
    assert YIELD_ROWS in yielding
    seen = Counter[str]()
    for line in told:
        seen[line["customer_id"]] += 1
        assert line["seq"] == seen[line["customer_id"]]
    assert len(told) == await book.connection.fetchval("SELECT count(*) FROM book.line")
    await book.connection.close()


async def test_a_relay_that_has_had_nothing_to_do_looks_less_often_until_something_comes(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "BUSY_SECONDS", 0.0)
    pauses: list[float] = []

    async def noted(stopping: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)
        await pause(stopping, seconds)

    monkeypatch.setattr(relaying, "pause", noted)
    book = Kept(await asyncpg.connect(database))
    async with live(kafka.bootstrap, database, workers=()), at_work(kafka, database) as relay:
        await until(lambda: IDLE_SECONDS_MAX in pauses, "the relay to look less often")
        before = len(pauses)
        await book.tell(signup("c-1", "2026-01-01"))
        await until(lambda: relay.published > 0, "the relay to publish")
        await until(lambda: IDLE_SECONDS in pauses[before:], "the relay to look often again")
    await book.connection.close()

    assert max(pauses[before:]) <= IDLE_SECONDS_MAX


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
