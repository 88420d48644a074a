"""Whether a position still belongs to the log that is there now, and lies within it.

A position is an offset in one log. Where the topic was recreated, the broker wiped, or records
deleted or cut off, reading on from that offset would silently skip events. So the partition stands
still, after restarts too, until a person runs `rollforward positions reset`. Topics whose messages
can all be requested again (`HEALS`) are read on without that.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import asyncpg
from aiokafka.errors import KafkaError

from shared.kafka.asker import Asker
from shared.kafka.topic_ids import Cluster
from shared.ledger.postgres import positions
from shared.ledger.postgres.fleet import partitions
from shared.ledger.postgres.outgoing import ask_for_rechecks
from shared.ledger.postgres.positions import Fenced, Held, Partition, TopicIds
from shared.ledger.sentences import counted
from shared.schemas.topics import LEDGER, PAYMENTS, RECHECKS, SIGNUPS, TICKS, TOPICS

log = logging.getLogger(__name__)

CONSUMER_OF = {
    SIGNUPS: "generator",
    PAYMENTS: "collector",
    TICKS: "coordinator",
    LEDGER: "notifier",
    RECHECKS: "notifier",
}
"""The consumer of each topic that has positions. RUNS and PAGES have none: they repeat what rows of
`book.run` and `book.page` say, and a timer sends again what makes no progress."""
HEALS = (RECHECKS,)
"""A recheck requests a new look at a customer's entitlement. Where such requests were lost, every
customer of the partition is looked at, so no person has to decide."""
WHOLE = -1
"""Stands for all partitions of a topic, in the place of a number."""
LIST, PAGE = "see `rollforward positions list` and the runbook, ", "KafkaLost"


class Look(NamedTuple):
    """Where to read on (`offsets`), and why partitions stand still (`standing`)."""

    offsets: Mapping[Partition, int]
    standing: Mapping[Partition, str]


def topic_fault(topic: str, cluster: Cluster, fleet: int) -> str | None:
    """Return why no partition of a topic can be read, or None. `fleet` is the book's count."""
    count = next(each for each in TOPICS if each.name == topic).partition_count(fleet)
    now = cluster.topics.get(topic)
    if now is None:
        return "the topic is not on the broker; `rollforward migrate` makes it anew"
    if len(now.partitions) != count:
        return (
            f"the topic has {counted(len(now.partitions), 'partition')} and the fleet {count}: "
            f"customers are placed by that count; {LIST}PartitionsChanged"
        )
    return None


def with_advice(why: str) -> str:
    """Return why something stands still, and the one page of the runbook that helps."""
    return why if LIST in why else f"{why}; {LIST}{PAGE}"


def fault(topic: str, held: Held, cluster: Cluster, begin: int, end: int) -> str | None:
    """Return why a position cannot be read on from; None when it can. The topic exists."""
    at = held.next_offset
    if held.cluster_id is not None:
        if held.cluster_id != cluster.cluster_id:
            return (
                f"it was read in Kafka cluster {held.cluster_id}, and this is "
                f"{cluster.cluster_id}: the broker was wiped, or it is another one"
            )
        if held.topic_id != cluster.topics[topic].topic_id:
            return "the topic was deleted and made anew since it was read"
    if at < begin:
        return f"reading is at {at}, but the broker has records from {begin} on"
    if at > end:
        return f"reading is at {at}, but the log ends at {end}: records that were read are gone"
    return held.halted


def grouped(standing: Mapping[Partition, str]) -> dict[str, str]:
    """Return the reasons in one text a topic, or a partition where only one stands still:
    `billing.payments.v1` -> "partitions 0-11: the topic was ..."."""
    by_topic: dict[str, dict[str, list[int]]] = {}
    for (topic, number), why in sorted(standing.items()):
        by_topic.setdefault(topic, {}).setdefault(why, []).append(number)
    found = {}
    for topic, reasons in by_topic.items():
        if len(reasons) == 1 and len(numbers := next(iter(reasons.values()))) == 1:
            found[name((topic, numbers[0]))] = next(iter(reasons))
        else:
            found[topic] = "; ".join(f"{_listed(n)}: {why}" for why, n in reasons.items())
    return found


def name(partition: Partition) -> str:
    """Return the name of a partition in /readyz and the log: `billing.payments.v1-3`."""
    topic, number = partition
    return topic if number == WHOLE else f"{topic}-{number}"


def _listed(numbers: list[int]) -> str:
    """Return numbers, ascending, as ranges: "partitions 0-3,7"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][-1] == number - 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return "partitions " + ",".join("-".join(map(str, each)) for each in ranges)


class Keeper:
    """Checks the positions of one consumer group in some topics."""

    def __init__(self, consumer: str, topics: Collection[str], asker: Asker) -> None:
        self._consumer = consumer
        self._topics = topics
        self._asker = asker
        self.topic_ids: TopicIds = {}
        """Kafka's ids of the topics that the offsets of the last look belong to."""

    async def look(self, connection: asyncpg.Connection, assigned: Iterable[Partition]) -> Look:
        """Compare the book with the broker. Raises KafkaError when the broker does not answer."""
        fleet = await partitions(connection)
        cluster = await self._asker.cluster(self._topics)
        self.topic_ids = {topic: now.topic_id for topic, now in cluster.topics.items()}
        standing = {
            (topic, WHOLE): why
            for topic in self._topics
            if (why := topic_fault(topic, cluster, fleet)) is not None
        }
        ours = [each for each in assigned if (each[0], WHOLE) not in standing]
        # The book first: a log end that was read before the position might lie before it.
        known = cluster.cluster_id
        held = await positions.held(connection, self._consumer, ours, self.topic_ids, known)
        begins, ends = await self._asker.begins(ours), await self._asker.ends(ours)
        offsets: dict[Partition, int] = {}
        for partition, position in held.items():
            begin, end = begins[partition], ends[partition]
            why = fault(partition[0], position, cluster, begin, end)
            if why is None:
                offsets[partition] = position.next_offset
            elif partition[0] in HEALS:
                await self._heal(connection, partition, begin, cluster, why)
                offsets[partition] = begin
            else:
                standing[partition] = why
                if position.next_offset > end and position.halted is None:
                    # Kept, because the log will grow past the position again.
                    at = position.next_offset
                    await positions.halt(connection, self._consumer, partition, at, why)
        new = [each for each in offsets if held[each].cluster_id is None]
        if new:
            await positions.adopt(connection, self._consumer, new, self.topic_ids, known)
        return Look(offsets, standing)

    async def same(self, read: Collection[Partition]) -> None:
        """Return if the records that were read from these partitions came from the topics of the
        last look. Raises Fenced when a topic has another id now, or the broker does not say: an id
        is never used again, so an unchanged one means that the records came from that topic."""
        expected = {topic: self.topic_ids.get(topic) for topic, _ in read}
        try:
            cluster = await self._asker.cluster(list(expected), read)
        except KafkaError as away:  # no record is to blame: the batch is read again
            raise Fenced(f"{self._consumer}: Kafka does not tell the topics' ids: {away}") from away
        for topic, topic_id in expected.items():
            now = cluster.topics.get(topic)
            if now is None or now.topic_id != topic_id:
                raise Fenced(f"{self._consumer}: {topic} was deleted, and perhaps made anew")

    async def _heal(
        self,
        connection: asyncpg.Connection,
        partition: Partition,
        begin: int,
        cluster: Cluster,
        why: str,
    ) -> None:
        topic, number = partition
        log.warning(
            "%s: %s-%d is read again from %d: %s", self._consumer, topic, number, begin, why
        )
        async with connection.transaction():
            await ask_for_rechecks(connection, topic, number)
            await positions.reset(
                connection, self._consumer, {partition: begin}, self.topic_ids, cluster.cluster_id
            )
