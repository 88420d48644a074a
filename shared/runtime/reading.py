"""Where a worker reads on: the positions that PostgreSQL keeps, compared with Kafka's logs.

A partition is not read where its log no longer fits the position (positions.py), and none is while
the book is behind Kafka (restored.py).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.kafka.asker import Asker
from shared.ledger.postgres import fleet, positions
from shared.ledger.postgres.appending import Last
from shared.ledger.postgres.positions import Partition, TopicIds
from shared.runtime.health import Health
from shared.runtime.positions import Keeper
from shared.runtime.restored import Restored
from shared.runtime.standing import Standing

RECORDS_MAX = 2000
POLL_SECONDS = 0.5
LOOK_SECONDS = 2.0
"""How often positions are compared with the broker's topics, and resets are looked for."""
UNANSWERED_SECONDS = 3.0

Moves = Mapping[Partition, tuple[int, int]]
"""The old and the new position, by partition."""
Check = asyncio.Future[None]
"""Done when the records are known to come from the expected topics; fails with `Fenced` if not."""


class Reading:
    """The partitions of one worker in one consumer group.

    `positions` holds the offset of the next record of each partition that is read now: it is
    assigned to this worker, was looked up in PostgreSQL, and does not stand still.
    `kafka_answers` is False from an error of the broker until the next look succeeds.
    """

    def __init__(self, consumer: str, topics: Sequence[str], kafka: str, health: Health) -> None:
        self.positions: dict[TopicPartition, int] = {}
        self.kafka_answers = False
        self.incarnation = 1
        self._name = consumer
        self._topics = topics
        self._health = health
        self._restored = Restored(kafka, health)
        self._standing = Standing(consumer, health)
        self._topic_ids: TopicIds = {}
        self._looked = -UNANSWERED_SECONDS
        self._consumer: AIOKafkaConsumer | None = None
        self._asker: Asker | None = None
        self._keeper: Keeper | None = None

    @property
    def consumer(self) -> AIOKafkaConsumer:
        assert self._consumer is not None
        return self._consumer

    async def start(self, consumer: AIOKafkaConsumer, asker: Asker) -> None:
        """Connect both. Raises KafkaError or OSError when no broker answers."""
        self._consumer, self._asker = consumer, asker
        self._keeper = Keeper(self._name, self._topics, asker)
        await asker.start()
        await consumer.start()

    async def stop(self) -> None:
        for client in (self._asker, self._consumer):
            if client is not None:
                await client.stop()

    async def poll(self) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Return the next records; none where none come within `POLL_SECONDS`."""
        polled: dict[TopicPartition, list[ConsumerRecord]] = await self.consumer.getmany(
            timeout_ms=int(POLL_SECONDS * 1000), max_records=RECORDS_MAX
        )
        return polled

    async def following(
        self, polled: Mapping[TopicPartition, list[ConsumerRecord]]
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Return those of the polled records that follow the position of their partition."""
        return {
            partition: records
            for partition, records in polled.items()
            if records
            and partition in self.positions
            and await self._follows(partition, records[0].offset)
        }

    async def _follows(self, partition: TopicPartition, offset: int) -> bool:
        """Whether no record between the position and this offset was missed.

        Where the broker has deleted records that were not read, the partition is dropped here, and
        the next look finds out why it stands still or where to read on.
        """
        assert self._asker is not None
        position = self.positions[partition]
        if offset == position:
            return True
        first = (await self._asker.begins([partition]))[partition]
        if offset > position >= first:
            return True  # only transaction markers lie between
        del self.positions[partition]
        return False

    @property
    def topic_ids(self) -> TopicIds:
        """Kafka's ids of the topics that the positions belong to."""
        return self._topic_ids

    def same_topics(self, partitions: Mapping[TopicPartition, object]) -> Check:
        """Start asking the broker whether the records that were read from these partitions belong
        to the topics of the last look. The answer need not be awaited."""
        assert self._keeper is not None
        same = asyncio.ensure_future(self._keeper.same(partitions))
        same.add_done_callback(_retrieve)
        return same

    async def advance(
        self, connection: asyncpg.Connection, moves: Moves, last: Last | None = None
    ) -> None:
        """Move positions in PostgreSQL, and append the rows that were left to `last`. Raises
        `Fenced` if a position is not where this worker left it."""
        await positions.advance(connection, self._name, moves, self._topic_ids, last)

    def moved(self, moves: Moves) -> None:
        """Remember the positions that were committed."""
        for (topic, number), (_, offset) in moves.items():
            self.positions[TopicPartition(topic, number)] = offset

    async def pass_markers(self, connection: asyncpg.Connection) -> None:
        """Move positions past transaction markers: they take up an offset but are not delivered.

        Raises `Fenced` like a batch.
        """
        moves = {}
        for partition, offset in list(self.positions.items()):
            at = await self.consumer.position(partition)
            if at > offset and await self._follows(partition, at):
                moves[partition] = (offset, at)
        if not moves:
            return
        assert self._keeper is not None
        await self._keeper.same(moves)
        async with connection.transaction():
            await self.advance(connection, moves)
        self.moved(moves)

    def look_is_due(self) -> bool:
        new = any(
            each not in self.positions and not self._standing.covers(each)
            for each in self.consumer.assignment()
        )
        since = time.monotonic() - self._looked
        if not self.kafka_answers:
            return since > UNANSWERED_SECONDS
        return new or since > (POLL_SECONDS if self._standing else LOOK_SECONDS)

    async def look(self, connection: asyncpg.Connection) -> None:
        """Seek to the positions in PostgreSQL; pause partitions whose log no longer fits theirs.

        This also finds resets. Raises KafkaError when the broker does not answer.
        """
        assert self._keeper is not None
        self._looked, assigned = time.monotonic(), self.consumer.assignment()
        lost = any(each not in self.positions for each in assigned)
        if await self._restored.stands_still(connection, anew=lost):
            self.positions.clear()
            self.consumer.pause(*assigned)
            return
        await self.read_incarnation(connection)
        look = await self._keeper.look(connection, assigned)
        if not self.kafka_answers:
            self._health.good("kafka")
            self.kafka_answers = True
        if self.consumer.assignment() != assigned:
            return  # rebalanced meanwhile: other workers may have these now
        self._standing.show(look.standing)
        before, self._topic_ids = self._topic_ids, self._keeper.topic_ids
        for (topic, number), offset in look.offsets.items():
            at = TopicPartition(topic, number)
            anew = before.get(topic) != self._topic_ids[topic]
            if anew or self.positions.get(at) != offset:
                self.consumer.seek(at, offset)
        self.positions = {TopicPartition(*each): at for each, at in look.offsets.items()}
        still = {each for each in assigned if each not in self.positions}
        self.consumer.pause(*still)
        self.consumer.resume(*self.consumer.paused() - still)

    async def read_incarnation(self, connection: asyncpg.Connection) -> None:
        """Read the book's incarnation, which is committed to the broker with each offset."""
        self.incarnation = await fleet.incarnation(connection)

    def forget(self, revoked: Sequence[TopicPartition]) -> None:
        """Drop all positions, and stop reporting the revoked partitions: their new worker does."""
        self.positions.clear()
        self._standing.forget(revoked)


def _retrieve(same: Check) -> None:
    """Retrieve the error of an answer that was never awaited, or asyncio would log it."""
    if not same.cancelled():
        same.exception()
