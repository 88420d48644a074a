"""Settling: wait until all that was published so far is applied, done and out again.

Five steps, each with a cut that is taken when the step before is done: what comes later is
not waited for, so that settling ends on a busy fleet too.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.ledger.postgres.statements import sql
from shared.runtime import restored
from shared.runtime.servers import Unreachable, database
from shared.runtime.settings import SettingsError
from shared.schemas.topics import INBOUND, LEDGER, PAYMENTS, RECHECKS, SIGNUPS, TICKS, TOPICS

POLL_SECONDS = 0.02
CONSUMER_OF = {
    SIGNUPS: "generator",
    PAYMENTS: "collector",
    TICKS: "coordinator",
    LEDGER: "notifier",
    RECHECKS: "notifier",
}
COMES_IN = tuple(topic.name for topic in INBOUND)
IS_TOLD = (LEDGER, RECHECKS)

Ends = Mapping[tuple[str, int], int]
"""The offset after the last record of each (topic, partition)."""


class NotSettled(Exception):
    """The time is over; `missing` names what is not yet done."""

    def __init__(self, timeout: float, missing: list[str]) -> None:
        super().__init__(f"not settled after {timeout:g} s: {'; '.join(missing)}")
        self.missing = missing


class StandsStill(NotSettled):
    """The fleet does nothing until a person decides; waiting is of no use."""

    def __init__(self, reason: str) -> None:
        Exception.__init__(self, f"not settled: {reason}")
        self.missing = [reason]


class Look(NamedTuple):
    """One look at the book: all of it as of one instant.

    `positions` maps (consumer, topic, partition) to the next offset; `runs` are the ticks
    whose run is not done; `last` and `relayed` map a stream to a place in (xid, position)
    order: that of its last row and that of the relay.
    """

    positions: Mapping[tuple[str, str, int], int]
    runs: frozenset[str]
    last: Mapping[str, tuple[int, int]]
    relayed: Mapping[str, tuple[int, int]]


async def settle(kafka: str, database_url: str, timeout: float = 60.0) -> None:
    """Return when the fleet has settled; raise NotSettled after `timeout` seconds.

    Raises StandsStill at once where the fleet waits for a person, Unreachable when a server cannot
    be reached, SettingsError before `migrate`.
    """
    async with database(database_url) as connection:
        partitions = await connection.fetchval(sql("fleet_setup"))
        if partitions is None:
            raise SettingsError("this database holds no fleet yet: run `rollforward migrate`")
        broker = _Broker(kafka, partitions)
        try:
            _, found = await asyncio.gather(broker.start(), restored.look(connection, kafka))
            if found.stands_still:
                raise StandsStill(restored.said(found))
            await Settling(connection, broker.ends).run(timeout)
        except (KafkaError, OSError) as error:
            raise Unreachable(f"Kafka at {kafka} cannot be reached: {error}") from error
        finally:
            await broker.stop()


class Settling:
    """The five steps. `ends` tells the end offsets of topics."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        ends: Callable[[Iterable[str]], Awaitable[Ends]],
    ) -> None:
        self._connection = connection
        self._ends = ends
        self._missing: Callable[[Look], list[str]] = lambda _: ["Kafka names no ends of the topics"]

    async def run(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                look = await self._until(_behind(await self._ends(COMES_IN)))
                look = await self._until(_running(look.runs))
                look = await self._until(_unpublished(look.last))
                look = await self._until(_behind(await self._ends(IS_TOLD)))
                await self._until(_unpublished(look.last))
        except TimeoutError:
            missing = self._missing(await self._look())
            raise NotSettled(timeout, missing or ["the last step was done too late"]) from None

    async def _until(self, missing: Callable[[Look], list[str]]) -> Look:
        """Look until nothing is missing; return that look, the cut of the next step."""
        self._missing = missing
        while missing(look := await self._look()):
            await asyncio.sleep(POLL_SECONDS)
        return look

    async def _look(self) -> Look:
        row = await self._connection.fetchrow(sql("settling"))
        return Look(
            {(c, t, p): offset for c, t, p, offset in row["positions"]},
            frozenset(row["runs"]),
            {stream: (int(xid), position) for stream, xid, position in row["last"]},
            {stream: (int(xid), position) for stream, xid, position in row["relayed"]},
        )


def _behind(ends: Ends) -> Callable[[Look], list[str]]:
    """Say which topics are not read to their ends."""

    def missing(look: Look) -> list[str]:
        left: dict[str, int] = {}
        for (topic, partition), end in ends.items():
            at = look.positions.get((CONSUMER_OF[topic], topic, partition), 0)
            if at < end:
                left[topic] = left.get(topic, 0) + end - at
        return [
            f"the {CONSUMER_OF[topic]} has {count} records of {topic} before it"
            for topic, count in left.items()
        ]

    return missing


def _running(runs: frozenset[str]) -> Callable[[Look], list[str]]:
    """Say which of these runs are not done."""
    return lambda look: [f"the run of tick {tick} is not done" for tick in sorted(runs & look.runs)]


def _unpublished(last: Mapping[str, tuple[int, int]]) -> Callable[[Look], list[str]]:
    """Say which streams the relay has not published up to a row."""
    return lambda look: [
        f"the relay has not published all of the stream {stream}"
        for stream, row in last.items()
        if look.relayed.get(stream, (0, 0)) < row
    ]


class _Broker:
    """Asks for the ends of topics, and nothing else."""

    def __init__(self, kafka: str, partitions: int) -> None:
        # What it says while the broker is away, we say better.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        self._counts = {topic.name: topic.partition_count(partitions) for topic in TOPICS}
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka,
            enable_auto_commit=False,
            retry_backoff_ms=10,  # it meets each topic by a try that fails for want of metadata
        )

    async def start(self) -> None:
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def ends(self, topics: Iterable[str]) -> Ends:
        asked = [
            TopicPartition(topic, number)
            for topic in topics
            for number in range(self._counts[topic])
        ]
        found = await self._consumer.end_offsets(asked)
        return {(at.topic, at.partition): offset for at, offset in found.items()}
