"""The broker's copy of a worker's positions, as committed offsets.

Lag monitors read them, and they show whether a book was restored (restored.py): a batch is in the
book before its offset is committed here, so an offset ahead of the book means that the book has
lost what was applied.
"""

import asyncio
import contextlib
import time

import asyncpg
from aiokafka.errors import KafkaError

from shared.kafka.clients import ANSWER_SECONDS_MAX
from shared.runtime.reading import Reading
from shared.runtime.restored import with_incarnation

COMMIT_SECONDS = 5.0
LAST_SECONDS_MAX = 1.0


class Offsets:
    """Commits positions to the broker every few seconds, and before partitions are given up."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._committed = time.monotonic()

    def due(self) -> bool:
        """Whether the next commit is due; not while the broker does not answer."""
        since = time.monotonic() - self._committed
        known = bool(self._reading.positions) and self._reading.kafka_answers
        return since >= COMMIT_SECONDS and known

    async def commit(self, connection: asyncpg.Connection) -> None:
        """Commit the positions with the book's incarnation. Raises KafkaError when the broker
        refuses, and TimeoutError when it is away: the client by itself would retry for ever."""
        self._committed = time.monotonic()
        await self._reading.read_incarnation(connection)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await self._commit()

    async def commit_last(self) -> None:
        """Commit the positions before they are given up, if the broker answers at once: the
        database that comes back may be a restored one."""
        if self._reading.positions:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(LAST_SECONDS_MAX):
                    await self._commit()

    async def _commit(self) -> None:
        assigned = self._reading.consumer.assignment()
        ours = {p: offset for p, offset in self._reading.positions.items() if p in assigned}
        if ours:
            reading = self._reading
            beside = with_incarnation(ours, reading.incarnation, reading.topic_ids)
            await reading.consumer.commit(beside)
