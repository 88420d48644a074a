"""A book that was restored to an earlier hour knows less than Kafka: workers stand still (§16).

Every worker tells the broker how far it has come, after the book and never before it. So the
broker's committed offsets are ahead of the positions in the book only where the book has lost
what it knew: a backup that was put back, a standby that had not all, a disk that forgot. With each
offset goes the incarnation of the book; a person opens the next one with `rollforward restored`,
and offsets of an earlier incarnation count no more.
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
from shared.ledger.postgres import fleet
from shared.ledger.postgres.health import WhichBook, which_book
from shared.ledger.postgres.positions import furthest
from shared.runtime import metrics
from shared.runtime.health import Health
from shared.runtime.positions import CONSUMER_OF
from shared.schemas.topics import TOPICS

log = logging.getLogger(__name__)

CAUSE = "restored"
"""The name under which /readyz says it."""
REQUEST_MS_MAX = 5000
ANSWER_SECONDS_MAX, WORKER_SECONDS_MAX = 30.0, 10.0
"""How long a coordinator that starts is waited for: a worker tries again, and meanwhile must let a
rebalance pass."""
ASK_SECONDS = 1.0
"""While a book stands still the broker is asked again so often."""
PREFIX = "incarnation="


Place = tuple[str, str, int]
"""A consumer, a topic and a partition."""


class Found(NamedTuple):
    """What a comparison of book and broker found.

    `incarnation` is the book's, `told` the highest that the broker's offsets name, and `ahead`
    counts, by (consumer, topic), the records that the broker says were applied and the book does
    not know, in an incarnation that is not older than the book's. `late` counts those of
    older ones: the book was restored, a person has said so, and workers catch up.
    """

    incarnation: int
    told: int
    ahead: Mapping[tuple[str, str], int]
    late: Mapping[tuple[str, str], int]

    @property
    def stands_still(self) -> bool:
        return bool(self.ahead) or self.told > self.incarnation

    @property
    def reason(self) -> str:
        """Say how far Kafka is ahead, consumer by consumer."""
        if self.ahead:
            return "; ".join(
                f"the {consumer} had applied {count} more records of {topic}"
                for (consumer, topic), count in sorted(self.ahead.items())
            )
        return f"Kafka knows incarnation {self.told} of the book, which is {self.incarnation}"


def said(found: Found) -> str:
    """Say what stands still, why, and what to do."""
    return (
        "the book was restored to an earlier hour and knows less than Kafka: "
        f"{found.reason}. Nothing is applied until `rollforward restored`"
    )


def with_incarnation(
    positions: Mapping[TopicPartition, int], incarnation: int
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return offsets as they are committed to the broker."""
    return {p: OffsetAndMetadata(at, f"{PREFIX}{incarnation}") for p, at in positions.items()}


async def look(
    connection: asyncpg.Connection, kafka: str, seconds: float = ANSWER_SECONDS_MAX
) -> Found:
    """Hold the broker's committed offsets against the positions in the book.

    KafkaError or OSError when the broker cannot be asked.
    """
    committed = await _committed(kafka, await fleet.partitions(connection), seconds)
    # The book is read last: what the broker was told by then, the book knew before.
    incarnation, offsets = await furthest(connection)
    odd = {
        place: told
        for place, told in committed.items()
        if told[0] > offsets.get(place, 0) or told[1] > incarnation
    }
    # An offset beyond its log's end is of another log of that name, made anew since.
    ends = await _ends(kafka, {TopicPartition(*place[1:]) for place in odd})
    odd = {
        place: told for place, told in odd.items() if told[0] <= ends[TopicPartition(*place[1:])]
    }
    return compare(incarnation, offsets, odd)


def compare(
    incarnation: int, offsets: Mapping[Place, int], committed: Mapping[Place, tuple[int, int]]
) -> Found:
    """Compare positions with what was committed, (offset, incarnation) by place."""
    told, ahead, late = 1, dict[tuple[str, str], int](), dict[tuple[str, str], int]()
    for place, (offset, of) in committed.items():
        told = max(told, of)
        more = offset - offsets.get(place, 0)
        if more > 0:
            counts = late if of < incarnation else ahead
            counts[place[:2]] = counts.get(place[:2], 0) + more
    return Found(incarnation, told, ahead, late)


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
        """Return whether nothing may be done in this book now; health, metric and log say why.

        The broker is asked when it is another book than the last time, or the same at another
        hour, and where `anew` says that the positions were lost sight of.
        """
        book = await which_book(connection)
        if book == self._known and not anew:
            return False
        if book == self._behind and time.monotonic() - self._asked < ASK_SECONDS:
            return True
        self._known = self._behind = None
        found = await look(connection, self._kafka, WORKER_SECONDS_MAX)
        if found.stands_still:
            self._say(said(found))
            self._behind, self._asked = book, time.monotonic()
            return True
        if self._said is not None:
            log.warning("goes on in incarnation %d of the book", found.incarnation)
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


async def _committed(kafka: str, partitions: int, seconds: float) -> dict[Place, tuple[int, int]]:
    """Return what each consumer has committed: (offset, incarnation)."""
    admin = clients.admin(kafka, request_timeout_ms=REQUEST_MS_MAX)
    try:
        await admin.start()
        answers = await asyncio.gather(
            *(
                _of_group(admin, consumer, _partitions(consumer, partitions), seconds)
                for consumer in sorted(set(CONSUMER_OF.values()))
            )
        )
    finally:
        await admin.close()
    return {place: told for answer in answers for place, told in answer.items()}


def _partitions(consumer: str, partitions: int) -> list[TopicPartition]:
    return [
        TopicPartition(topic.name, number)
        for topic in TOPICS
        if CONSUMER_OF.get(topic.name) == consumer
        for number in range(topic.partition_count(partitions))
    ]


async def _of_group(
    admin: AIOKafkaAdminClient, consumer: str, asked: list[TopicPartition], seconds: float
) -> dict[Place, tuple[int, int]]:
    """Ask for the offsets of one group, and again while its coordinator starts."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    told = await admin.list_consumer_group_offsets(
                        f"rollforward-{consumer}", partitions=asked
                    )
                except KafkaError as error:
                    if not error.retriable:
                        raise
                else:
                    # A coordinator that cannot answer yet names no partition at all.
                    if told.keys() >= set(asked):
                        break
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise KafkaError(f"no answer about the offsets of the {consumer}") from None
    return {
        (consumer, at.topic, at.partition): (each.offset, _incarnation(each.metadata))
        for at, each in told.items()
        if each.offset >= 0
    }


def _incarnation(metadata: str) -> int:
    """Read what was committed beside an offset; a release before this one committed nothing."""
    number = metadata.removeprefix(PREFIX)
    return int(number) if metadata != number and number.isdecimal() else 1


async def _ends(kafka: str, asked: set[TopicPartition]) -> Mapping[TopicPartition, int]:
    if not asked:
        return {}
    consumer = clients.consumer(
        kafka,
        request_timeout_ms=REQUEST_MS_MAX,
        retry_backoff_ms=10,  # it meets each topic by a try that fails for want of metadata
    )
    try:
        await consumer.start()
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(list(asked))
        return ends
    finally:
        await consumer.stop()
