"""Notices a book that was restored to an earlier hour; workers then stand still.

What a person does then is in deploy/runbook.md#bookrestored.

Every worker commits its offsets to the broker after it has committed them to the book, never
before. So the broker's offsets are ahead of the book only where the book has lost something: a
backup was restored, a standby lagged, a disk lost writes. Each offset is committed with the
incarnation of the book; a person opens the next one with `rollforward restored`, and offsets of an
earlier incarnation no longer count.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import NamedTuple

import asyncpg
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from shared.kafka import clients
from shared.kafka.topic_ids import TopicNow, describe
from shared.ledger.postgres import fleet
from shared.ledger.postgres.health import WhichBook, which_book
from shared.ledger.postgres.positions import TopicIds, furthest
from shared.ledger.sentences import counted
from shared.runtime import metrics
from shared.runtime.health import Health
from shared.runtime.positions import CONSUMER_OF
from shared.schemas.topics import TOPICS

log = logging.getLogger(__name__)

CAUSE = "restored"
"""The name of this cause in /readyz."""
WORKER_SECONDS_MAX = 10.0
"""How long a worker waits for a group coordinator that is starting. A command waits longer; a
worker tries again, and must not hold up a rebalance meanwhile."""
ASK_SECONDS = 1.0
"""How often the broker is asked again while the workers stand still."""
INCARNATION, TOPIC = "incarnation=", "topic="
"""The metadata of a committed offset: `incarnation=1 topic=81b4...`, the latter is Kafka's topic
id, needed because a worker may commit an offset of a deleted topic to a new one of that name."""

Place = tuple[str, str, int]
"""A consumer, a topic and a partition."""


class Committed(NamedTuple):
    """What a consumer has committed; `topic_id` is None on brokers older than Kafka 2.8."""

    offset: int
    incarnation: int = 1
    topic_id: str | None = None


class Found(NamedTuple):
    """The result of comparing the book with the broker.

    `incarnation` is the book's, `known_to_kafka` the highest that the broker's offsets name.
    `ahead` counts, by (consumer, topic), the records below the committed offsets that the book does
    not have.
    `late` counts those of incarnations older than the book's: `rollforward restored` was run, and
    workers catch up.
    """

    incarnation: int
    known_to_kafka: int
    ahead: Mapping[tuple[str, str], int]
    late: Mapping[tuple[str, str], int]

    @property
    def stands_still(self) -> bool:
        return bool(self.ahead) or self.known_to_kafka > self.incarnation

    @property
    def reason(self) -> str:
        """Return in words how far Kafka is ahead, consumer by consumer."""
        if self.ahead:
            return "; ".join(
                f"the {consumer} had applied {counted(count, 'more record')} of {topic}"
                for (consumer, topic), count in sorted(self.ahead.items())
            )
        known = self.known_to_kafka
        return f"Kafka knows incarnation {known} of the book, which is {self.incarnation}"


def described(found: Found) -> str:
    """Return in words what stands still, why, and what to do."""
    return (
        "the book was restored to an earlier hour and knows less than Kafka: "
        f"{found.reason}. Nothing is applied until `rollforward restored`"
    )


def with_incarnation(
    positions: Mapping[TopicPartition, int], incarnation: int, topic_ids: TopicIds
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return offsets as they are committed to the broker."""
    beside = {
        topic: f"{INCARNATION}{incarnation}" + (f" {TOPIC}{known}" if known else "")
        for topic, known in topic_ids.items()
    }
    return {p: OffsetAndMetadata(at, beside[p.topic]) for p, at in positions.items()}


async def look(
    connection: asyncpg.Connection, kafka: str, seconds: float = clients.STARTING_SECONDS_MAX
) -> Found:
    """Compare the broker's committed offsets with the positions in the book.

    Raises KafkaError or OSError when the broker does not answer.
    """
    committed = await _committed(kafka, await fleet.partitions(connection), seconds)
    # The book is read last: whatever was committed to the broker by now was in the book before.
    incarnation, offsets = await furthest(connection)
    odd = {
        place: position
        for place, position in committed.items()
        if position.offset > offsets.get(place, 0) or position.incarnation > incarnation
    }
    # An offset past its log's end, or with another topic id, belongs to an earlier topic.
    ends, topic_ids = await _logs(kafka, {TopicPartition(*place[1:]) for place in odd})
    odd = {
        place: position
        for place, position in odd.items()
        if position.offset <= ends[TopicPartition(*place[1:])]
        and position.topic_id in (None, topic_ids.get(place[1]))
    }
    return compare(incarnation, offsets, odd)


def compare(
    incarnation: int, offsets: Mapping[Place, int], committed: Mapping[Place, Committed]
) -> Found:
    """Compare positions with offsets that were committed to the present logs."""
    known_to_kafka, ahead, late = 1, dict[tuple[str, str], int](), dict[tuple[str, str], int]()
    for place, (offset, of, _) in committed.items():
        known_to_kafka = max(known_to_kafka, of)
        more = offset - offsets.get(place, 0)
        if more > 0:
            counts = late if of < incarnation else ahead
            counts[place[:2]] = counts.get(place[:2], 0) + more
    return Found(incarnation, known_to_kafka, ahead, late)


class Restored:
    """Keeps one part of a worker still while its book is behind Kafka."""

    def __init__(self, kafka: str, health: Health) -> None:
        self._kafka = kafka
        self._health = health
        self._known: WhichBook | None = None
        self._behind: WhichBook | None = None
        self._asked = 0.0
        self._said: str | None = None

    async def stands_still(self, connection: asyncpg.Connection, *, anew: bool = False) -> bool:
        """Return whether this book may not be worked on now; health, metric and log say why.

        Asks the broker when the book has changed since the last call (another database, or the same
        one restored), and when `anew` is set because positions have to be looked up.
        """
        book = await which_book(connection)
        if book == self._known and not anew:
            return False
        if book == self._behind and time.monotonic() - self._asked < ASK_SECONDS:
            return True
        self._known = self._behind = None
        found = await look(connection, self._kafka, WORKER_SECONDS_MAX)
        if found.stands_still:
            self._say(described(found))
            self._behind, self._asked = book, time.monotonic()
            return True
        if self._said is not None:
            log.warning("continues in incarnation %d of the book", found.incarnation)
        self._say(None)
        self._known = book
        return False

    def _say(self, reason: str | None) -> None:
        if reason is None:
            self._health.good(CAUSE)
        else:
            self._health.bad(CAUSE, reason, person=True)
            if reason != self._said:
                log.error("stands still: %s", reason)
        metrics.RESTORED.set(reason is not None)
        self._said = reason


# The broker ---------------------------------------------------------------------------------


async def _committed(kafka: str, partitions: int, seconds: float) -> dict[Place, Committed]:
    """Return what each consumer has committed, in partitions too that only the broker knows: the
    book may have been restored to an hour before its partitions were multiplied."""
    admin = clients.admin(kafka, request_timeout_ms=clients.ANSWER_MS_MAX)
    try:
        await admin.start()
        there = (await describe(admin._client, CONSUMER_OF)).topics
        answers = await asyncio.gather(
            *(
                _of_group(admin, consumer, _partitions(consumer, partitions, there), seconds)
                for consumer in sorted(set(CONSUMER_OF.values()))
            )
        )
    finally:
        await admin.close()
    return {place: position for answer in answers for place, position in answer.items()}


def _partitions(
    consumer: str, partitions: int, there: Mapping[str, TopicNow]
) -> list[TopicPartition]:
    return [
        TopicPartition(topic.name, number)
        for topic in TOPICS
        if CONSUMER_OF.get(topic.name) == consumer
        for number in {
            *range(topic.partition_count(partitions)),
            *(there[topic.name].partitions if topic.name in there else ()),
        }
    ]


async def _of_group(
    admin: AIOKafkaAdminClient, consumer: str, asked: list[TopicPartition], seconds: float
) -> dict[Place, Committed]:
    """Return the offsets of one group; asks again while its coordinator starts."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    answer = await admin.list_consumer_group_offsets(
                        f"rollforward-{consumer}", partitions=asked
                    )
                except KafkaError as error:
                    if not error.retriable:
                        raise
                else:
                    # A coordinator that is still starting may answer without any partition.
                    if answer.keys() >= set(asked):
                        break
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise KafkaError(f"no answer about the offsets of the {consumer}") from None
    return {
        (consumer, at.topic, at.partition): read(each.offset, each.metadata)
        for at, each in answer.items()
        if each.offset >= 0
    }


def read(offset: int, metadata: str) -> Committed:
    """Read a committed offset and its metadata; without metadata it counts as incarnation 1."""
    committed = Committed(offset)
    for word in metadata.split():
        if (number := word.removeprefix(INCARNATION)) != word and number.isdecimal():
            committed = committed._replace(incarnation=int(number))
        elif (topic_id := word.removeprefix(TOPIC)) != word:
            committed = committed._replace(topic_id=topic_id)
    return committed


async def _logs(
    kafka: str, asked: set[TopicPartition]
) -> tuple[Mapping[TopicPartition, int], Mapping[str, str]]:
    """Return where these logs end, and the ids of their topics."""
    if not asked:
        return {}, {}
    consumer = clients.consumer(
        kafka,
        request_timeout_ms=clients.ANSWER_MS_MAX,
        retry_backoff_ms=10,  # the first request for each topic fails for lack of metadata
    )
    try:
        await consumer.start()
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(list(asked))
        now = (await describe(consumer._client, {each.topic for each in asked})).topics
        return ends, {topic: str(each.topic_id) for topic, each in now.items()}
    finally:
        await consumer.stop()
