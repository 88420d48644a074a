"""The batch loop: read records from Kafka, commit one transaction in PostgreSQL, repeat.

The batch is the unit of I/O, the event the unit of decision. A consumer's position lives in
PostgreSQL and moves in the batch's own transaction, so a batch counts exactly once or not at all.
"""

import asyncio
import logging
import time
from collections.abc import Sequence

import asyncpg
from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from shared.kafka import clients
from shared.kafka.asker import Asker
from shared.ledger.postgres.positions import Fenced
from shared.runtime import metrics, trouble
from shared.runtime.backoff import Backoff
from shared.runtime.committing import Batches, Committer, Handler
from shared.runtime.database import PASSING, Database
from shared.runtime.health import Health
from shared.runtime.offsets import Offsets
from shared.runtime.reading import Check, Reading
from shared.runtime.stuck import Stuck

log = logging.getLogger(__name__)


class Loop(ConsumerRebalanceListener):  # type: ignore[misc]
    """Consumes topics as one group and gives every batch to a handler.

    `Reading` decides where to read on, `Committer` commits a batch, `Offsets` informs the broker.
    The loop calls them in order and decides what an error of each means.
    """

    def __init__(
        self,
        consumer: str,
        topics: Sequence[str],
        kafka: str,
        database: Database,
        handler: Handler,
        health: Health,
    ) -> None:
        self.name = consumer
        self.database = database
        self.health = health
        self._topics = topics
        self._kafka = kafka
        self._reading = Reading(consumer, topics, kafka, health)
        self._committer = Committer(
            consumer, handler, self._reading, Stuck(consumer, database, health)
        )
        self._offsets = Offsets(self._reading)
        self._stopping = asyncio.Event()
        self._busy = asyncio.Lock()
        self._owes = False
        """Whether a batch was begun and is not committed yet."""

    def stop(self) -> None:
        """Finish the current batch, then leave the group."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until `stop`. Waits while a server is away, and reports it in /readyz."""
        await self._join()
        wait = Backoff()
        try:
            while not self._stopping.is_set():
                try:
                    async with self.database.connection() as connection:
                        await self._consume(connection, wait)
                except PASSING as away:
                    self._failed("database", away)
                    await self._offsets.commit_last()
                    self._reading.positions.clear()
                    await wait(self._stopping)
                except KafkaError as away:
                    if trouble.lasting(away):
                        raise
                    self._kafka_failed(away)
                    self._reading.positions.clear()
                    await wait(self._stopping)
        finally:
            await self._offsets.commit_last()
            await self._reading.stop()

    async def _join(self) -> None:
        wait = Backoff()
        while not self._stopping.is_set():
            consumer = clients.member(
                self._kafka,
                self.name,
                isolation_level="read_committed",
                fetch_max_wait_ms=500,
                max_partition_fetch_bytes=1 << 20,
            )
            consumer.subscribe(self._topics, listener=self)
            try:
                await self._reading.start(consumer, Asker(self._kafka))
                return
            except (KafkaError, OSError) as away:
                await self._reading.stop()
                if trouble.lasting(away):
                    raise
                self._failed("kafka", away)
                await wait(self._stopping)

    async def _consume(self, connection: asyncpg.Connection, wait: Backoff) -> None:
        """Read, commit batches, compare positions and inform the broker, on one connection."""
        reading = self._reading
        while not self._stopping.is_set():
            polled = await reading.poll()
            if connection.is_closed():  # so that an idle worker notices it too
                raise ConnectionResetError("the database has ended the session")
            async with self._busy:
                if batches := await reading.following(polled):
                    self._owes = True
                    # Requested now, answered while the batch is judged, awaited before it commits.
                    await self._batch(connection, batches, reading.same_topics(batches))
                    self._owes = False
                    wait.reset()
                await self._pass_markers(connection)
                # Last, because it may move positions, and the records above belong to the old ones.
                if reading.look_is_due():
                    await self._look(connection)
            if not self._owes:  # one that answers but takes no batch (a full disk) is not good
                self.health.good("database")
            if self._offsets.due():
                await self._tell_broker(connection)

    async def _batch(
        self, connection: asyncpg.Connection, batches: Batches, same_topics: Check | None = None
    ) -> None:
        began = time.perf_counter()
        try:
            await self._committer.apply(connection, batches, same_topics)
        except Fenced as fenced:
            self._fenced(fenced)
            return
        metrics.BATCH_SECONDS.labels(self.name).observe(time.perf_counter() - began)
        metrics.BATCH_RECORDS.labels(self.name).observe(sum(map(len, batches.values())))

    async def _pass_markers(self, connection: asyncpg.Connection) -> None:
        try:
            await self._reading.pass_markers(connection)
        except Fenced as fenced:
            self._fenced(fenced)

    async def _look(self, connection: asyncpg.Connection) -> None:
        try:
            await self._reading.look(connection)
        except KafkaError as away:
            self._kafka_failed(away)

    async def _tell_broker(self, connection: asyncpg.Connection) -> None:
        try:
            await self._offsets.commit(connection)
            self.health.good("kafka")
        except TimeoutError:
            self._failed("kafka", KafkaError(f"no answer in {clients.ANSWER_SECONDS_MAX:g} s"))
        except KafkaError as away:
            log.warning("%s: the broker did not take the offsets: %s", self.name, away)

    def _fenced(self, fenced: Fenced) -> None:
        """Another worker has these partitions, or a topic was recreated: look the positions up."""
        log.warning("%s: fenced: %s", self.name, trouble.described(fenced))
        metrics.RETRIES.labels(self.name, "fenced").inc()
        self._reading.positions.clear()

    def _kafka_failed(self, error: KafkaError) -> None:
        self._failed("kafka", error)
        self._reading.kafka_answers = False

    def _failed(self, cause: str, error: BaseException) -> None:
        log.warning("%s: %s: %s", self.name, cause, trouble.described(error))
        metrics.RETRIES.labels(self.name, cause).inc()
        self.health.bad(cause, trouble.described(error))

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Finish the current batch, then forget the partitions."""
        async with self._busy:
            await self._offsets.commit_last()
            self._reading.forget(revoked)
        self._owes = False
        for partition in revoked:
            metrics.CONSUMER_LAG.labels(partition.topic, str(partition.partition)).set(0)

    async def on_partitions_assigned(self, _: Sequence[TopicPartition]) -> None:
        self._reading.positions.clear()
        self.health.good("kafka")
