"""The batch loop: records from Kafka, one transaction in PostgreSQL, and on.

The batch is the unit of I/O, the event the unit of decision. A consumer's position lives in
PostgreSQL and moves in the batch's own transaction, so a batch counts exactly once or not
at all; what the broker keeps tells lag monitors, and a restored book (restored.py), how far it was.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from shared.kafka import clients
from shared.kafka.asker import Asker
from shared.ledger.postgres import book
from shared.ledger.postgres.positions import TopicIds
from shared.ledger.postgres.shape import expect_nobodys_fault
from shared.ledger.postgres.statements import sql
from shared.runtime import metrics, trouble
from shared.runtime.backoff import Backoff
from shared.runtime.database import PASSING, Database, nobodys
from shared.runtime.health import Health
from shared.runtime.positions import Keeper
from shared.runtime.restored import Restored, with_incarnation
from shared.runtime.standing import Standing
from shared.runtime.stuck import Stuck

log = logging.getLogger(__name__)

RECORDS_MAX = 2000
POLL_SECONDS = 0.5
COMMIT_SECONDS = 5.0
BROKER_SECONDS_MAX, LAST_WORD_SECONDS_MAX = 5.0, 1.0
LOOK_SECONDS = 2.0
"""So often positions are compared with the broker's topics, and with what a person has reset."""
UNANSWERED_SECONDS = 3.0
METADATA_MS = 5_000
TRIES_MAX = 3

Observe = Callable[[], None]
"""Counts a batch in the metrics; called when it is committed, and only then."""


class Handler(Protocol):
    """What a worker does with records, inside the batch's transaction."""

    async def __call__(
        self, connection: asyncpg.Connection, records: Sequence[ConsumerRecord]
    ) -> Observe: ...

    async def set_apart(
        self, connection: asyncpg.Connection, record: ConsumerRecord, error: Exception
    ) -> Observe:
        """Keep a record that fails alone and will again, or raise when that is not allowed."""
        ...


class Loop(ConsumerRebalanceListener):  # type: ignore[misc]
    """Consumes topics as one group and hands every batch to a handler."""

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
        self.handler = handler
        self.health = health
        self._stuck = Stuck(consumer, database, health)
        self._positions: dict[TopicPartition, int] = {}
        self._restored = Restored(kafka, health)
        self._incarnation = 1
        self._topics = topics
        self._kafka = kafka
        self._topic_ids: TopicIds = {}
        self._asker: Asker | None = None
        self._keeper: Keeper | None = None
        self._standing = Standing(consumer, health)
        self._looked = -UNANSWERED_SECONDS
        self._answered = False
        self._same: asyncio.Future[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._stopping = asyncio.Event()
        self._busy = asyncio.Lock()
        self._owes = False
        self._committed = time.monotonic()

    def stop(self) -> None:
        """Let the batch in hand end, then leave the group."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until `stop`. Servers that are away are waited for, and said so in /readyz."""
        await self._start()
        wait = Backoff()
        try:
            while not self._stopping.is_set():
                try:
                    async with self.database.connection() as connection:
                        await self._consume(connection, wait)
                except PASSING as away:
                    self._failed("database", away)
                    await self._last_word()
                    self._positions.clear()
                    await wait(self._stopping)
                except KafkaError as away:
                    if trouble.lasting(away):
                        raise
                    self._failed("kafka", away)
                    self._positions.clear()
                    self._answered = False
                    await wait(self._stopping)
        finally:
            await self._last_word()
            await self._leave()

    async def _leave(self) -> None:
        for each in (self._asker, self._consumer):
            if each is not None:
                await each.stop()

    async def _start(self) -> None:
        wait = Backoff()
        while not self._stopping.is_set():
            self._consumer = clients.member(
                self._kafka,
                self.name,
                isolation_level="read_committed",
                fetch_max_wait_ms=500,
                max_partition_fetch_bytes=1 << 20,
                metadata_max_age_ms=METADATA_MS,  # topics come, go and grow
            )
            self._asker = Asker(self._kafka)
            self._keeper = Keeper(self.name, self._topics, self._asker)
            self._consumer.subscribe(self._topics, listener=self)
            try:
                await self._asker.start()
                await self._consumer.start()
                return
            except (KafkaError, OSError) as away:
                await self._leave()
                if trouble.lasting(away):
                    raise
                self._failed("kafka", away)
                await wait(self._stopping)

    async def _consume(self, connection: asyncpg.Connection, wait: Backoff) -> None:
        assert self._consumer is not None
        assert self._keeper is not None
        while not self._stopping.is_set():
            polled = await self._consumer.getmany(
                timeout_ms=int(POLL_SECONDS * 1000), max_records=RECORDS_MAX
            )
            if connection.is_closed():  # an idle worker says so too, and does not wait for work
                raise ConnectionResetError("the database has ended the session")
            async with self._busy:
                batches = {
                    partition: records
                    for partition, records in polled.items()
                    if records
                    and partition in self._positions
                    and await self._follows(partition, records[0].offset)
                }
                if batches:
                    self._owes = True
                    self._same = asyncio.ensure_future(self._keeper.same(batches))
                    self._same.add_done_callback(_look_at_its_error)
                    await self._batch(connection, batches)
                    self._owes = False
                    wait.reset()
                await self._pass_markers(connection)
                # Last, for it may move positions, and records in hand go by those of before.
                if self._look_is_due():
                    await self._seek(connection)
            if not self._owes:  # a database that is there and takes no batch, its disk full, is bad
                self.health.good("database")
            await self._tell_broker(connection)

    async def _pass_markers(self, connection: asyncpg.Connection) -> None:
        """Move on past what a broker keeps and never hands out: the marks of transactions."""
        assert self._consumer is not None
        assert self._keeper is not None
        moves = {}
        for partition, offset in list(self._positions.items()):
            at = await self._consumer.position(partition)
            if at > offset and await self._follows(partition, at):
                moves[partition] = (offset, at)
        if not moves:
            return
        try:
            await self._keeper.same(moves)
            async with connection.transaction():
                await book.advance(connection, self.name, moves, self._topic_ids)
            self._positions |= {partition: at for partition, (_, at) in moves.items()}
        except book.Fenced as fenced:
            self._failed("fenced", fenced)
            self._positions.clear()

    async def _follows(self, partition: TopicPartition, offset: int) -> bool:
        """Whether records from an offset follow the position. What the broker deleted before it
        was read is not passed over in silence: the next look says why, or reads it."""
        assert self._asker is not None
        position = self._positions[partition]
        if offset == position:
            return True
        first = (await self._asker.begins([partition]))[partition]
        if offset > position >= first:
            return True  # the marks of transactions lie between
        del self._positions[partition]
        return False

    def _look_is_due(self) -> bool:
        assert self._consumer is not None
        new = any(
            each not in self._positions and not self._standing.covers(each)
            for each in self._consumer.assignment()
        )
        since = time.monotonic() - self._looked
        if not self._answered:
            return since > UNANSWERED_SECONDS
        return new or since > (POLL_SECONDS if self._standing else LOOK_SECONDS)

    async def _seek(self, connection: asyncpg.Connection) -> None:
        """Read on where PostgreSQL says; stand still where Kafka's log no longer fits that. A
        person's reset is found here too."""
        assert self._consumer is not None
        assert self._keeper is not None
        self._looked, assigned = time.monotonic(), self._consumer.assignment()
        lost = any(each not in self._positions for each in assigned)
        try:
            if await self._restored.stands_still(connection, anew=lost):
                self._positions.clear()
                self._consumer.pause(*assigned)
                return
            self._incarnation = (await connection.fetchrow(sql("incarnation")))["number"]
            look = await self._keeper.look(connection, assigned)
        except KafkaError as away:
            self._failed("kafka", away)
            self._answered = False
            return
        if not self._answered:
            self.health.good("kafka")
            self._answered = True
        if self._consumer.assignment() != assigned:
            return
        self._standing.show(look.standing)
        before, self._topic_ids = self._topic_ids, self._keeper.topic_ids
        for (topic, number), offset in look.offsets.items():
            at = TopicPartition(topic, number)
            anew = before.get(topic) != self._topic_ids[topic]
            if anew or self._positions.get(at) != offset:
                self._consumer.seek(at, offset)
        self._positions = {TopicPartition(*each): at for each, at in look.offsets.items()}
        still = {each for each in assigned if each not in self._positions}
        self._consumer.pause(*still)
        self._consumer.resume(*self._consumer.paused() - still)

    async def _batch(
        self,
        connection: asyncpg.Connection,
        batches: Mapping[TopicPartition, Sequence[ConsumerRecord]],
    ) -> None:
        records = [record for batch in batches.values() for record in batch]
        began = time.perf_counter()
        try:
            try:
                await self._commit(connection, batches, partial(self.handler, connection, records))
            except (*PASSING, book.Fenced):
                raise
            except Exception as error:
                if nobodys(error):
                    raise
                await expect_nobodys_fault(connection)
                log.exception("%s: a batch failed, its records are tried one by one", self.name)
                metrics.RETRIES.labels(self.name, type(error).__name__).inc()
                await self._one_by_one(connection, batches)
        except book.Fenced as fenced:
            self._failed("fenced", fenced)
            self._positions.clear()
            return
        metrics.BATCH_SECONDS.labels(self.name).observe(time.perf_counter() - began)
        metrics.BATCH_RECORDS.labels(self.name).observe(len(records))

    async def _one_by_one(
        self,
        connection: asyncpg.Connection,
        batches: Mapping[TopicPartition, Sequence[ConsumerRecord]],
    ) -> None:
        for partition, records in batches.items():
            for record in records:
                alone = {partition: [record]}
                try:
                    await self._commit(
                        connection, alone, partial(self.handler, connection, [record])
                    )
                except (*PASSING, book.Fenced):
                    raise
                except Exception as error:
                    if nobodys(error):
                        raise
                    log.exception("%s: set apart %s at %d", self.name, partition, record.offset)
                    await self._commit(
                        connection,
                        alone,
                        partial(self.handler.set_apart, connection, record, error),
                    )

    async def _commit(
        self,
        connection: asyncpg.Connection,
        batches: Mapping[TopicPartition, Sequence[ConsumerRecord]],
        work: Callable[[], Awaitable[Observe]],
    ) -> None:
        moves = {
            (partition.topic, partition.partition): (
                self._positions[partition],
                records[-1].offset + 1,
            )
            for partition, records in batches.items()
        }
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                with self._stuck.watched("batch", connection):
                    async with connection.transaction():
                        observe = await work()
                        if self._same is not None:
                            await self._same
                        await book.advance(connection, self.name, moves, self._topic_ids)
                break
            except asyncpg.UniqueViolationError:
                # Two batches met on one command id or reference: now the other's row is seen.
                metrics.RETRIES.labels(self.name, "unique").inc()
                if not tries_left:
                    raise
        for (topic, number), (_, offset) in moves.items():
            self._positions[TopicPartition(topic, number)] = offset
        observe()

    async def _tell_broker(self, connection: asyncpg.Connection) -> None:
        """Commit offsets to the broker now and then. A batch is in the book before the broker hears
        of it: so an offset that is ahead of the book is of a lost hour (`restored`)."""
        if time.monotonic() - self._committed < COMMIT_SECONDS or not self._positions:
            return
        if not self._answered:
            return  # the next look asks whether it is back
        assert self._consumer is not None
        self._committed = time.monotonic()
        self._incarnation = (await connection.fetchrow(sql("incarnation")))["number"]
        try:
            # A broker that is away is not an error to a consumer: it asks again for ever.
            async with asyncio.timeout(BROKER_SECONDS_MAX):
                await self._commit_offsets()
            self.health.good("kafka")
        except TimeoutError:
            self._failed("kafka", KafkaError(f"no answer in {BROKER_SECONDS_MAX:g} s"))
        except KafkaError as away:
            log.warning("%s: the broker did not take the offsets: %s", self.name, away)

    async def _commit_offsets(self) -> None:
        assert self._consumer is not None
        held = self._consumer.assignment()
        told = {p: offset for p, offset in self._positions.items() if p in held}
        if told:
            said = with_incarnation(told, self._incarnation, self._topic_ids)
            await self._consumer.commit(said)

    async def _last_word(self) -> None:
        """Tell the broker how far this worker came before it lets go of its partitions: the next
        book it meets may be a restored one."""
        if not self._positions:
            return
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(LAST_WORD_SECONDS_MAX):
                await self._commit_offsets()

    def _failed(self, cause: str, error: BaseException) -> None:
        log.warning("%s: %s: %s", self.name, cause, trouble.told(error))
        metrics.RETRIES.labels(self.name, cause).inc()
        if cause != "fenced":
            self.health.bad(cause, trouble.told(error))

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Let the batch in hand end, then forget the partitions."""
        async with self._busy:
            await self._last_word()
            self._positions.clear()
        self._owes = False
        for partition in revoked:
            metrics.CONSUMER_LAG.labels(partition.topic, str(partition.partition)).set(0)
        self._standing.forget(revoked)

    async def on_partitions_assigned(self, _: Sequence[TopicPartition]) -> None:
        self._positions.clear()
        self.health.good("kafka")


def _look_at_its_error(same: "asyncio.Future[None]") -> None:
    """A batch that fails before it asks leaves the answer unread, and asyncio would say so."""
    if not same.cancelled():
        same.exception()
