"""Consumer lag: how many records are not applied yet, and how old the oldest of them is.

The coordinator measures it for all consumers, dead ones too: log ends come from the broker,
positions from the book. While one server is away its last answer counts, so the lag keeps rising
while the database is away, and the age while the broker is.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import clients
from shared.kafka.clients import ANSWER_SECONDS_MAX
from shared.kafka.topic_ids import describe
from shared.ledger.postgres import positions
from shared.runtime import metrics
from shared.runtime.backoff import pause
from shared.runtime.database import PASSING, Database
from shared.runtime.metrics import WATCH_SECONDS
from shared.runtime.positions import CONSUMER_OF

FETCH_SECONDS_MAX = 1.0

log = logging.getLogger(__name__)


class LagWatch:
    """A part of the coordinator; a spare coordinator reports the same figures."""

    def __init__(self, kafka: str, database: Database) -> None:
        self._kafka = kafka
        self._database = database
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: Mapping[TopicPartition, int] = {}
        self._positions: Mapping[TopicPartition, int] | None = None
        self._oldest: dict[TopicPartition, tuple[int, float]] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Measure again and again until `stop`."""
        try:
            while not self._stopping.is_set():
                await self.look()
                await pause(self._stopping, WATCH_SECONDS)
        finally:
            await self._leave_broker()

    async def look(self) -> None:
        """Ask both servers once, and set the metrics."""
        await asyncio.gather(self._ask_book(), self._ask_broker())
        if self._positions is not None:  # before the first answer the lag is unknown
            self._show(time.time())

    async def _ask_book(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX), self._database.connection() as book:
                held = await positions.everywhere(book)
        except PASSING:
            return  # the workers report that the database is away
        self._positions = {
            TopicPartition(topic, number): position.next_offset
            for (consumer, topic, number), position in held.items()
            if CONSUMER_OF.get(topic) == consumer
        }

    async def _ask_broker(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                consumer = await self._connected()
                there = (await describe(consumer._client, CONSUMER_OF)).topics
                asked = [
                    TopicPartition(topic, number)
                    for topic, now in there.items()
                    for number in now.partitions
                ]
                self._ends = await consumer.end_offsets(asked)
                await self._date(consumer)
        except (TimeoutError, KafkaError, OSError) as away:
            log.debug("the broker does not answer, so the lag may be out of date: %s", away)
            await self._leave_broker()

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = clients.consumer(
                self._kafka,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=1,  # the broker sends one batch even so
            )
            await self._consumer.start()
        return self._consumer

    async def _leave_broker(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(TimeoutError, KafkaError, OSError):
                await asyncio.wait_for(consumer.stop(), FETCH_SECONDS_MAX)

    async def _date(self, consumer: AIOKafkaConsumer) -> None:
        """Read the timestamp of the first record after each position, where it is not known yet."""
        behind = {p: at for p, (at, _) in self._behind().items()}
        left = {p for p, at in behind.items() if self._oldest.get(p, (-1, 0.0))[0] != at}
        if not left:
            return
        consumer.assign(sorted(left))
        for partition in left:
            consumer.seek(partition, behind[partition])
        until = time.monotonic() + FETCH_SECONDS_MAX
        while left and time.monotonic() < until:
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                if partition in left and records:
                    left.discard(partition)
                    consumer.pause(partition)
                    self._oldest[partition] = behind[partition], records[0].timestamp / 1e3
        consumer.unsubscribe()

    def _behind(self) -> dict[TopicPartition, tuple[int, int]]:
        """Return (position, end) of the partitions that have records not applied yet."""
        found = {}
        for partition, end in self._ends.items():
            at = (self._positions or {}).get(partition, 0)
            if at < end:
                found[partition] = at, end
        return found

    def _show(self, now: float) -> None:
        behind = self._behind()
        ages = dict.fromkeys((partition.topic for partition in self._ends), 0.0)
        for partition in self._ends:
            at, end = behind.get(partition, (0, 0))
            metrics.CONSUMER_LAG.labels(partition.topic, str(partition.partition)).set(end - at)
            dated = self._oldest.get(partition, (-1, 0.0))
            if partition in behind and dated[0] == at:
                ages[partition.topic] = max(ages[partition.topic], now - dated[1])
        for topic, age in ages.items():
            metrics.OLDEST_UNPROCESSED.labels(topic).set(age)
