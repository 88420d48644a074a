"""Positions of consumers in Kafka's partitions, with the ids of topic and cluster."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.ledger.postgres.appending import Last
from shared.ledger.postgres.statements import sql

Partition = tuple[str, int]
"""(topic, partition number)."""
TopicIds = Mapping[str, UUID | None]
"""Topic -> its id in Kafka; None if the broker has no ids."""


class Fenced(Exception):
    """Another worker has taken over these partitions, so this batch must not commit."""


class Held(NamedTuple):
    """A position: the next offset to read, in the topic with that id. `cluster_id` is None if it
    was stored before the book stored ids. `halted` is why the partition waits for a person."""

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
    """Return a consumer's positions. Missing ones are created at offset 0, with these topic ids."""
    asked = _columns(partitions, topic_ids)
    # Also done if none is missing: a read-only database is then noticed at once.
    await connection.execute(sql("ensure_positions"), consumer, *asked, cluster_id)
    return await known(connection, consumer, partitions)


async def known(
    connection: asyncpg.Connection, consumer: str, partitions: Iterable[Partition]
) -> dict[Partition, Held]:
    """Return a consumer's existing positions in these partitions."""
    topics, numbers, _ = _columns(partitions, {})
    rows = await connection.fetch(sql("positions"), consumer, topics, numbers)
    return {(row["topic"], row["partition"]): Held(*row[2:]) for row in rows}


async def adopt(
    connection: asyncpg.Connection,
    consumer: str,
    partitions: Iterable[Partition],
    topic_ids: TopicIds,
    cluster_id: str | None,
) -> None:
    """Set topic id and cluster id of positions stored before the book stored ids."""
    asked = _columns(partitions, topic_ids)
    await connection.execute(sql("adopt_positions"), consumer, *asked, cluster_id)


async def halt(
    connection: asyncpg.Connection, consumer: str, partition: Partition, offset: int, why: str
) -> None:
    """Mark a partition as waiting for a person, unless its position is no longer `offset`."""
    await connection.execute(sql("halt_position"), consumer, *partition, offset, why)


async def reset(
    connection: asyncpg.Connection,
    consumer: str,
    offsets: Mapping[Partition, int],
    topic_ids: TopicIds,
    cluster_id: str | None,
) -> None:
    """Set a consumer's positions to these offsets, with these topic ids."""
    topics, numbers, ids = _columns(offsets, topic_ids)
    nexts = [offsets[partition] for partition in zip(topics, numbers, strict=True)]
    await connection.execute(
        sql("reset_positions"), consumer, topics, numbers, nexts, ids, cluster_id
    )


async def everywhere(connection: asyncpg.Connection) -> dict[tuple[str, str, int], Held]:
    """Return every position there is, by (consumer, topic, partition)."""
    rows = await connection.fetch(sql("positions_all"))
    return {tuple(row[:3]): Held(*row[3:]) for row in rows}


async def advance(
    connection: asyncpg.Connection,
    consumer: str,
    moves: Mapping[Partition, tuple[int, int]],
    topic_ids: Mapping[str, UUID | None] | None = None,
    last: Last | None = None,
) -> None:
    """Move a consumer's positions, {partition: (from, to)}, in this transaction, and append the
    rows in `last` with the same statement. Raises Fenced if another worker has moved a position, if
    it was halted, or if its topic id is not the one in `topic_ids` (a missing topic means no
    id)."""
    ids = topic_ids or {}
    asked = sorted(
        (topic, number, *move, ids.get(topic)) for (topic, number), move in moves.items()
    )
    columns = [list(column) for column in zip(*asked, strict=True)]
    statement, parameters = (last or Last()).also(sql("advance_positions"), [consumer, *columns])
    moved = await connection.fetch(statement, *parameters)
    if len(moved) != len(moves):
        raise Fenced(f"{consumer}: {len(moves) - len(moved)} of {len(moves)} partitions moved on")


class Furthest(NamedTuple):
    """The book's incarnation, and the highest offset that each (consumer, topic, partition) has
    reached, all as of one instant."""

    incarnation: int
    offsets: Mapping[tuple[str, str, int], int]


async def furthest(connection: asyncpg.Connection) -> Furthest:
    row = await connection.fetchrow(sql("furthest"))
    return Furthest(row["incarnation"], {(c, t, p): offset for c, t, p, offset in row["furthest"]})


async def applied(connection: asyncpg.Connection, consumer: str, topic: str) -> int:
    """Return how many records of a topic a consumer has applied: the sum of its positions."""
    return int(await connection.fetchval(sql("positions_of"), consumer, topic))


def _columns(
    partitions: Iterable[Partition], topic_ids: TopicIds
) -> tuple[list[str], list[int], list[UUID | None]]:
    asked = sorted(partitions)
    return (
        [topic for topic, _ in asked],
        [number for _, number in asked],
        [topic_ids.get(topic) for topic, _ in asked],
    )
