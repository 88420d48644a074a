"""Where each consumer is in Kafka's logs, and which topic of which cluster that log is."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.ledger.postgres.appending import Last
from shared.ledger.postgres.statements import sql

Partition = tuple[str, int]
"""A topic and a partition number."""
TopicIds = Mapping[str, UUID | None]
"""Topic -> Kafka's id of it; None where the broker has no ids."""


class Fenced(Exception):
    """Another worker has taken these partitions over; this batch is not ours to commit."""


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
    return await known(connection, consumer, partitions)


async def known(
    connection: asyncpg.Connection, consumer: str, partitions: Iterable[Partition]
) -> dict[Partition, Held]:
    """Return the positions that a consumer has in these partitions."""
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


async def advance(
    connection: asyncpg.Connection,
    consumer: str,
    moves: Mapping[Partition, tuple[int, int]],
    topic_ids: Mapping[str, UUID | None] | None = None,
    last: Last | None = None,
) -> None:
    """Move a consumer on, {partition: (from, to)}, in this transaction, and append the rows left to
    `last` by the same statement. Fenced when another worker has moved it meanwhile, when it was
    halted, or when it was reset to a topic with another id than `topic_ids` says (a topic left
    out: it has none)."""
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
    """The book's incarnation, and the furthest offset that each (consumer, topic, partition) ever
    was at, all as of one instant."""

    incarnation: int
    offsets: Mapping[tuple[str, str, int], int]


async def furthest(connection: asyncpg.Connection) -> Furthest:
    row = await connection.fetchrow(sql("furthest"))
    return Furthest(row["incarnation"], {(c, t, p): offset for c, t, p, offset in row["furthest"]})


async def applied(connection: asyncpg.Connection, consumer: str, topic: str) -> int:
    """Return how many records of a topic a consumer has applied, by its positions."""
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
