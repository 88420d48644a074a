"""Death at a chosen step: a database and a Kafka that a worker may die at.

`Steps` counts what a worker asks of others, statements and Kafka calls alike, and lets it die
before or after one of them. What it had open is cut, as when a process is killed: PostgreSQL
rolls back what was not committed, and nothing of the worker is left but what others keep.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition

from shared.kafka.buckets import bucket_of
from shared.kafka.topic_ids import Cluster, TopicNow
from shared.ledger.postgres.roles import WRITER
from shared.schemas.envelope import Message
from shared.schemas.topics import TOPICS

ASKS = ("execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_records_to_table")
BATCH_RECORDS = 3
ONE_PARTITION = {topic.name for topic in TOPICS if topic.partitions == 1}


class Killed(BaseException):
    """The worker is dead; no `except Exception` of it may see this."""


class Steps:
    """Counts steps; at the step `dies_at` the worker dies, `before` it or after it."""

    def __init__(self, dies_at: int = 0, before: bool = True) -> None:
        self.dies_at, self.before = dies_at, before
        self.names: list[str] = []
        self.dead = False
        self._open: list[asyncpg.Connection] = []

    async def take(self, name: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        if self.dead:
            raise Killed(name)
        self.names.append(name)
        now = len(self.names) == self.dies_at
        if now and self.before:
            self._die()
        answer = await ask()
        if now:
            self._die()
        return answer

    @asynccontextmanager
    async def connection(self, url: str) -> AsyncIterator[Any]:
        """Lend a connection that the worker may die at, as the role of workers."""
        connection = await asyncpg.connect(url, server_settings={"role": WRITER})
        self._open.append(connection)
        try:
            yield _Connection(connection, self)
        finally:
            if not connection.is_closed():
                await connection.close()

    def _die(self) -> None:
        self.dead = True
        for connection in self._open:
            connection.terminate()
        raise Killed(self.names[-1])


class _Connection:
    def __init__(self, connection: asyncpg.Connection, steps: Steps) -> None:
        self._connection, self._steps = connection, steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in ASKS:
            return found

        async def ask(*arguments: Any, **named: Any) -> Any:
            words = str(arguments[0]).splitlines()[0].removeprefix("-- ")
            return await self._steps.take(words, lambda: found(*arguments, **named))

        return ask

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        transaction = self._connection.transaction()
        await self._steps.take("BEGIN", transaction.start)
        try:
            yield
        except Exception:
            await transaction.rollback()
            raise
        await self._steps.take("COMMIT", transaction.commit)


class Database:
    """Stands in for `shared.runtime.database.Database`: every connection can be died at."""

    def __init__(self, url: str, steps: Steps) -> None:
        self._url, self._steps = url, steps

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        async with self._steps.connection(self._url) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self.connection() as connection, connection.transaction():
            yield connection


class Log(NamedTuple):
    """What Kafka keeps: records by partition, and the offsets that groups committed."""

    partitions: int
    records: dict[TopicPartition, list[ConsumerRecord]]
    committed: dict[TopicPartition, int]

    @classmethod
    def empty(cls, partitions: int) -> "Log":
        return cls(partitions, {}, {})

    def copy(self) -> "Log":
        kept = {partition: list(records) for partition, records in self.records.items()}
        return Log(self.partitions, kept, dict(self.committed))

    def append(self, message: Message | tuple[Any, ...]) -> None:
        topic, key, value, headers = message
        number = self.partition_of(topic, key)
        partition = TopicPartition(topic, number)
        records = self.records.setdefault(partition, [])
        records.append(
            ConsumerRecord(
                topic, number, len(records), 0, 0, key, value, None, 0, 0, tuple(headers)
            )
        )

    def partition_count(self, topic: str) -> int:
        return 1 if topic in ONE_PARTITION or topic.endswith(".dlq") else self.partitions

    def partition_of(self, topic: str, key: bytes | None) -> int:
        return 0 if key is None else bucket_of(key.decode(), self.partition_count(topic))

    def of(self, topic: str) -> dict[int, list[ConsumerRecord]]:
        return {p.partition: kept for p, kept in self.records.items() if p.topic == topic}


class Consumer:
    """Reads topics of a log as aiokafka's does; says `done` when it has come to the ends."""

    def __init__(
        self, log: Log, steps: Steps, topics: Sequence[str], done: Callable[[], None]
    ) -> None:
        self._log, self._steps, self._done = log, steps, done
        partitions = (TopicPartition(t, n) for t in topics for n in range(log.partitions))
        self._positions = {p: log.committed.get(p, 0) for p in partitions}

    async def getmany(self, timeout_ms: int, max_records: int | None = None) -> Any:
        async def poll() -> Any:
            polled = {}
            for partition, position in self._positions.items():
                records = self._log.records.get(partition, [])[position:]
                self._positions[partition] = position + len(records)
                if records:
                    polled[partition] = records
            return polled

        polled = await self._steps.take("getmany", poll)
        if not polled:
            self._done()
        return polled

    async def commit(self, offsets: Mapping[TopicPartition, Any] | None = None) -> None:
        told = self._positions if offsets is None else {p: o.offset for p, o in offsets.items()}

        async def keep() -> None:
            self._log.committed.update(told)

        await self._steps.take("commit offsets", keep)

    async def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._positions[partition] = offset

    def assignment(self) -> set[TopicPartition]:
        return set(self._positions)

    def pause(self, *_: TopicPartition) -> None: ...

    def resume(self, *_: TopicPartition) -> None: ...

    def paused(self) -> set[TopicPartition]:
        return set()

    def highwater(self, partition: TopicPartition) -> int:
        return len(self._log.records.get(partition, []))


class Present:
    """Stands in for `shared.runtime.restored.Restored`, where no broker can be asked."""

    def __init__(self, behind: bool = False) -> None:
        self.behind = behind

    async def stands_still(self, _: Any, *, anew: bool = False) -> bool:
        return self.behind


class Asker:
    """Says of a log what a broker would: its topics are there, whole, and never made anew."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def cluster(self, topics: Sequence[str], _: Any = ()) -> Cluster:
        counts = {topic.name: topic.partition_count(self._log.partitions) for topic in TOPICS}
        there = {name: TopicNow(None, tuple(range(counts[name])), 1) for name in topics}
        return Cluster("log", 1, there)

    async def begins(self, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return dict.fromkeys(partitions, 0)

    async def ends(self, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return {each: len(self._log.records.get(TopicPartition(*each), [])) for each in partitions}


class Batch(list[tuple[bytes | None, bytes | None, Any]]):
    """Records for one partition; more than a few make it full, so that there are several."""

    def append(self, *, timestamp: int, key: Any, value: Any, headers: Any) -> Any:  # type: ignore[override]
        if len(self) == BATCH_RECORDS:
            return None
        super().append((key, value, headers))
        return timestamp

    def close(self) -> None: ...


class Producer:
    """Writes to a log as aiokafka's does."""

    def __init__(self, log: Log, steps: Steps) -> None:
        self._log, self._steps = log, steps

    async def send(self, topic: str, value: Any, key: Any, headers: Any) -> asyncio.Future[None]:
        return await self._append(topic, [(key, value, headers)])

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self._log.partition_count(topic)))

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, partition: int) -> asyncio.Future[None]:
        for key, *_ in batch:
            assert self._log.partition_of(topic, key) == partition
        return await self._append(topic, batch)

    async def _append(self, topic: str, records: Sequence[Any]) -> asyncio.Future[None]:
        async def append() -> None:
            for record in records:
                self._log.append((topic, *record))

        await self._steps.take(f"send to {topic}", append)
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kept.set_result(None)  # a record sent is a record kept
        return kept
