"""One batch, one transaction: the handler's work and the consumer's positions commit together.

A batch that fails is tried again record by record, so that one bad record does not hold up the
others.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition

from shared.ledger.postgres.appending import Last
from shared.ledger.postgres.positions import Fenced
from shared.ledger.postgres.shape import expect_fit
from shared.runtime import metrics
from shared.runtime.database import PASSING, nobodys
from shared.runtime.reading import Check, Reading
from shared.runtime.stuck import Stuck

log = logging.getLogger(__name__)

TRIES_MAX = 3

Batches = Mapping[TopicPartition, Sequence[ConsumerRecord]]
"""Records by partition, each partition's in order and without a gap."""
Observe = Callable[[], None]
"""Counts a batch in the metrics; called once the batch is committed."""


class Handler(Protocol):
    """What a worker does with records, inside the batch's transaction."""

    async def __call__(
        self, connection: asyncpg.Connection, records: Sequence[ConsumerRecord], last: Last, /
    ) -> Observe:
        """Judge records. What is left to `last` is saved when the positions move."""
        ...

    async def set_apart(
        self, connection: asyncpg.Connection, record: ConsumerRecord, error: Exception
    ) -> Observe:
        """Keep a record that fails by itself and always will; raise where that is not allowed."""
        ...


class Committer:
    """Gives batches to a handler and commits what it does, with the positions after them."""

    def __init__(self, consumer: str, handler: Handler, reading: Reading, stuck: Stuck) -> None:
        self._consumer = consumer
        self.handler = handler
        self._reading = reading
        self._stuck = stuck

    async def apply(
        self,
        connection: asyncpg.Connection,
        batches: Batches,
        same_topics: Check | None = None,
    ) -> None:
        """Commit a batch as a whole, or record by record where that fails.

        `same_topics` is awaited before each commit: it fails where a topic was recreated since
        the records were read. Raises `Fenced` when a position is not where it was expected, one of
        `PASSING` when the database is away, and errors that no record is to blame for (`nobodys`).
        """
        records = [record for batch in batches.values() for record in batch]
        try:
            work = partial(self.handler, connection, records)
            await self.commit(connection, batches, work, same_topics)
        except (*PASSING, Fenced):
            raise
        except Exception as error:
            if nobodys(error):
                raise
            await expect_fit(connection)
            log.exception("%s: a batch failed, its records are tried one by one", self._consumer)
            metrics.RETRIES.labels(self._consumer, type(error).__name__).inc()
            await self._one_by_one(connection, batches, same_topics)

    async def _one_by_one(
        self,
        connection: asyncpg.Connection,
        batches: Batches,
        same_topics: Check | None,
    ) -> None:
        for partition, records in batches.items():
            for record in records:
                alone = {partition: [record]}
                try:
                    work = partial(self.handler, connection, [record])
                    await self.commit(connection, alone, work, same_topics)
                except (*PASSING, Fenced):
                    raise
                except Exception as error:
                    if nobodys(error):
                        raise
                    log.exception(
                        "%s: set apart %s at %d", self._consumer, partition, record.offset
                    )
                    keep = partial(self._set_apart, connection, record, error)
                    await self.commit(connection, alone, keep, same_topics)

    async def _set_apart(
        self, connection: asyncpg.Connection, record: ConsumerRecord, error: Exception, _: Last
    ) -> Observe:
        return await self.handler.set_apart(connection, record, error)

    async def commit(
        self,
        connection: asyncpg.Connection,
        batches: Batches,
        work: Callable[[Last], Awaitable[Observe]],
        same_topics: Check | None = None,
    ) -> None:
        """Do the work and move the positions past the batch, in one transaction."""
        moves = {
            (partition.topic, partition.partition): (
                self._reading.positions[partition],
                records[-1].offset + 1,
            )
            for partition, records in batches.items()
        }
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                with self._stuck.watched("batch", connection):
                    async with connection.transaction():
                        last = Last()
                        observe = await work(last)
                        if same_topics is not None:
                            await same_topics
                        await self._reading.advance(connection, moves, last)
                break
            except asyncpg.UniqueViolationError:
                # Two batches wrote one command id or reference: a retry sees the other's row.
                metrics.RETRIES.labels(self._consumer, "unique").inc()
                if not tries_left:
                    raise
        self._reading.moved(moves)
        observe()
