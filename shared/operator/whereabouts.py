"""Every consumer's position, for people: what stands still and why, and how to reset it."""

from collections.abc import Iterable
from typing import NamedTuple

import asyncpg

from shared.kafka.asker import Asker
from shared.ledger.postgres import positions
from shared.ledger.postgres.fleet import partitions
from shared.ledger.postgres.outgoing import publish_again
from shared.runtime.positions import (
    CONSUMER_OF,
    HEALS,
    WHOLE,
    fault,
    grouped,
    topic_fault,
    with_advice,
)
from shared.schemas.topics import LEDGER


class CannotReset(Exception):
    """A topic's positions cannot be reset now; the message says what to do first."""


class Whereabouts(NamedTuple):
    """A consumer's position in a partition. `begin` and `end` are those of the present log, None
    where there is none; `position` is None where nothing was read yet; `why` says why the partition
    stands still, None where it does not."""

    consumer: str
    topic: str
    partition: int
    position: int | None
    begin: int | None
    end: int | None
    why: str | None


def standing(found: Iterable[Whereabouts]) -> list[str]:
    """Return a line for each topic or partition that stands still."""
    reasons = {(each.topic, each.partition): each.why for each in found if each.why is not None}
    return [f"{cause} stands still: {with_advice(why)}" for cause, why in grouped(reasons).items()]


async def whereabouts(connection: asyncpg.Connection, asker: Asker) -> list[Whereabouts]:
    """Return every consumer's position in every partition that the book or the broker knows.

    A topic that cannot be read at all has one more row, with the partition `WHOLE`.
    Raises KafkaError when the broker does not answer.
    """
    fleet = await partitions(connection)
    cluster = await asker.cluster(list(CONSUMER_OF))
    # The book first: a log end that was read before the position might lie before it.
    held = await positions.everywhere(connection)
    there = await asker.partitions(CONSUMER_OF)
    begins, ends = await asker.begins(there), await asker.ends(there)
    found: list[Whereabouts] = []
    for topic, consumer in sorted(CONSUMER_OF.items(), key=lambda each: (each[1], each[0])):
        whole = topic_fault(topic, cluster, fleet)
        if whole is not None:
            found.append(Whereabouts(consumer, topic, WHOLE, None, None, None, whole))
        known = {number for c, t, number in held if (c, t) == (consumer, topic)}
        for number in sorted(known | {n for t, n in there if t == topic}):
            position = held.get((consumer, topic, number))
            begin, end = begins.get((topic, number)), ends.get((topic, number))
            why = None
            if whole is None and position and begin is not None and end is not None:
                why = fault(topic, position, cluster, begin, end)
            if topic in HEALS:
                why = None
            at = position.next_offset if position else None
            found.append(Whereabouts(consumer, topic, number, at, begin, end, why))
    return found


async def reset(connection: asyncpg.Connection, asker: Asker, topic: str) -> list[Whereabouts]:
    """Set all positions of a topic to its beginning; return the positions as they were before.

    Events that were applied already are then duplicates. Running workers give up their current
    batch and read from there within seconds. For billing.ledger.v1 every line is published again
    from the book. Raises CannotReset when the topic does not exist or has another partition count
    than the fleet, and KafkaError when the broker does not answer.
    """
    fleet = await partitions(connection)
    cluster = await asker.cluster([topic])
    why = topic_fault(topic, cluster, fleet)
    if why is not None:
        raise CannotReset(f"{topic}: {why}")
    before = [each for each in await whereabouts(connection, asker) if each.topic == topic]
    now = cluster.topics[topic]
    begins = await asker.begins([(topic, number) for number in now.partitions])
    async with connection.transaction():
        await positions.reset(
            connection, CONSUMER_OF[topic], begins, {topic: now.topic_id}, cluster.cluster_id
        )
        if topic == LEDGER:
            await publish_again(connection)
    return before
