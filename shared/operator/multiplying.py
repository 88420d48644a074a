"""Multiplies the partitions of a fleet: in Kafka first, then in the book.

Nobody moves: a customer's bucket stays, and their partition is the bucket modulo the count. Between
the two steps the consumers stand still, as wherever a topic has another count than the book.
Killed there, it is pressed again, and `migrate` finishes it too.
"""

from typing import NamedTuple

import asyncpg

from shared.kafka.asker import Asker
from shared.kafka.broker import WrongTopics, add_partitions
from shared.kafka.buckets import multiples
from shared.ledger.postgres import fleet
from shared.ledger.postgres.fleet import SetUp
from shared.ledger.postgres.locks import lock_fleet
from shared.operator.servers import asking, database
from shared.operator.settle import settle
from shared.runtime.settings import SettingsError
from shared.schemas.topics import TOPICS

OURS = tuple(topic.name for topic in TOPICS if topic.partitions is None)
"""The topics that have as many partitions as the fleet."""


class Multiplied(NamedTuple):
    """The count that the book had and has, and the topics that got partitions."""

    before: int
    now: int
    topics: list[str]


async def multiply(kafka: str, database_url: str, count: int, timeout: float = 60.0) -> Multiplied:
    """Wait until the fleet has settled, and give it so many partitions. Safe to repeat.

    Raises SettingsError when the fleet cannot have so many, WrongTopics when a topic cannot,
    NotSettled after `timeout` seconds, Unreachable when a server is away.
    """
    async with database(database_url) as connection, asking(kafka) as asker:
        before = await _expect_possible(connection, count)
        if not await _short(asker, count) and before.partitions == count:
            return Multiplied(count, count, [])
    await settle(kafka, database_url, timeout, count)
    async with (
        database(database_url) as connection,
        asking(kafka) as asker,
        connection.transaction(),
    ):
        # Another one that is pressed at the same moment waits here, and finds it done.
        await lock_fleet(connection)
        before = await _expect_possible(connection, count)
        if short := await _short(asker, count):
            await add_partitions(kafka, short, count)
        await fleet.set_partitions(connection, count)
    return Multiplied(before.partitions, count, short)


async def finish(connection: asyncpg.Connection, kafka: str) -> int | None:
    """Set the book's count where all topics have a possible one already, because the command was
    killed before it did; return the count, None where there was nothing to finish.

    Raises Unreachable when the broker is away.
    """
    async with asking(kafka) as asker, connection.transaction():
        await lock_fleet(connection)
        known = await fleet.set_up(connection)
        counts = await _counts(asker)
        if known is None or len(counts) < len(OURS) or len(set(counts.values())) > 1:
            return None
        count = counts[OURS[0]]
        if count == known.partitions or count not in multiples(known.partitions, known.buckets):
            return None
        await fleet.set_partitions(connection, count)
        return count


async def _expect_possible(connection: asyncpg.Connection, count: int) -> SetUp:
    """Return what the fleet has; raise SettingsError when it cannot get so many partitions."""
    known = await fleet.set_up(connection)
    if known is None:
        raise SettingsError("this database holds no fleet yet: run `rollforward migrate`")
    possible = multiples(known.partitions, known.buckets)
    if count not in possible:
        others = ", ".join(map(str, possible[1:])) or "none"
        raise SettingsError(
            f"this fleet has {known.partitions} partitions and {known.buckets} buckets: it cannot"
            f" have {count} partitions; possible: {others}"
        )
    return known


async def _short(asker: Asker, count: int) -> list[str]:
    """Return the topics that have fewer partitions; raise WrongTopics where one cannot get them."""
    counts = await _counts(asker)
    if missing := [topic for topic in OURS if topic not in counts]:
        raise WrongTopics(f"{', '.join(missing)}: not on the broker; run `rollforward migrate`")
    for topic, now in counts.items():
        if count % now:
            raise WrongTopics(
                f"{topic} has {now} partitions, which cannot become {count}; see the runbook,"
                " PartitionsChanged"
            )
    return [topic for topic in OURS if counts[topic] < count]


async def _counts(asker: Asker) -> dict[str, int]:
    found = (await asker.cluster(OURS)).topics
    return {topic: len(now.partitions) for topic, now in found.items()}
