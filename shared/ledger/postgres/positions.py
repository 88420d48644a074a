"""Where each consumer is in Kafka's logs, and which topic of which cluster that log is."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.ledger.postgres.book import Partition
from shared.ledger.postgres.statements import sql

TopicIds = Mapping[str, UUID | None]
"""Topic -> Kafka's id of it; None where the broker has no ids."""


class Held(NamedTuple):
    """A position: the next offset to read in the log of that id. `cluster_id` None: the book
    was written before it kept ids. `halted` is why it waits for a person."""

    next_offset: int
    topic_id: UUID | None = None
    cluster_id: str | None = None
    halted: str | None = None


async def held(
    connection: asyncpg.Connection,
    consumer: str,
    partitions: Iterable[Partition],
    topic_ids: TopicIds,
    cluster_id: str | None,
) -> dict[Partition, Held]:
    """Return a consumer's positions; where it has none, it begins at 0 in the topics of now."""
    asked = _columns(partitions, topic_ids)
    # Asked for when all are there too: so a database that takes no writes is noticed at once.
    await connection.execute(sql("ensure_positions"), consumer, *asked, cluster_id)
    rows = await connection.fetch(sql("positions"), consumer, *asked[:2])
    return {(row["topic"], row["partition"]): Held(*row[2:]) for row in rows}


async def adopt(
    connection: asyncpg.Connection,
    consumer: str,
    partitions: Iterable[Partition],
    topic_ids: TopicIds,
    cluster_id: str | None,
) -> None:
    """Note the topic of positions that were written before the book kept ids."""
    asked = _columns(partitions, topic_ids)
    await connection.execute(sql("adopt_positions"), consumer, *asked, cluster_id)


async def halt(
    connection: asyncpg.Connection, consumer: str, partition: Partition, offset: int, why: str
) -> None:
    """Keep that a partition waits for a person, unless its position has moved from `offset`."""
    await connection.execute(sql("halt_position"), consumer, *partition, offset, why)


async def reset(
    connection: asyncpg.Connection,
    consumer: str,
    offsets: Mapping[Partition, int],
    topic_ids: TopicIds,
    cluster_id: str | None,
) -> None:
    """Let a consumer read on from these offsets in the topics of now."""
    topics, numbers, ids = _columns(offsets, topic_ids)
    nexts = [offsets[partition] for partition in zip(topics, numbers, strict=True)]
    await connection.execute(
        sql("reset_positions"), consumer, topics, numbers, nexts, ids, cluster_id
    )


async def everywhere(connection: asyncpg.Connection) -> dict[tuple[str, str, int], Held]:
    """Return every position there is, by (consumer, topic, partition)."""
    rows = await connection.fetch(sql("positions_all"))
    return {tuple(row[:3]): Held(*row[3:]) for row in rows}


def _columns(
    partitions: Iterable[Partition], topic_ids: TopicIds
) -> tuple[list[str], list[int], list[UUID | None]]:
    asked = sorted(partitions)
    return (
        [topic for topic, _ in asked],
        [number for _, number in asked],
        [topic_ids.get(topic) for topic, _ in asked],
    )
