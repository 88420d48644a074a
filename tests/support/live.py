"""A live fleet for a test: real Kafka, real PostgreSQL, every worker, in this process.

Topics and database are fresh, so the business date starts anew. Where a test is about
processes that die, it uses `shared.embedded.fleet.Fleet` instead.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from mode.threads import ServiceThread, WorkerThread

from services.workers import WORKERS, parts_of
from shared.kafka import odd_records
from shared.kafka.broker import create_topics
from shared.kafka.topic_ids import describe
from shared.runtime.context import Context, Part
from shared.runtime.loop import Loop
from shared.runtime.settings import Settings
from shared.schemas.envelope import Message
from shared.schemas.publish import structured
from shared.schemas.topics import TOPICS
from tests.support.patience import settle, until


class _Daemon(WorkerThread):
    """A thread of Faust's. One that a coordinator has left behind because it did not stop in time
    must not keep the tests from ending; a worker ends with all its threads anyway."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.daemon = True


ServiceThread.Worker = _Daemon


class Live:
    """What a test does with a fleet: publish, wait, look."""

    def __init__(
        self,
        settings: Settings,
        producer: AIOKafkaProducer,
        contexts: Iterable[Context],
        loops: Iterable[Loop],
    ) -> None:
        assert settings.kafka is not None
        assert settings.database_url is not None
        self.settings = settings
        self.kafka = settings.kafka
        self.url = settings.database_url
        self.producer = producer
        self.health = {context.name: context.health for context in contexts}
        self._loops = {loop.name: loop for loop in loops}

    def loop(self, worker: str) -> Loop:
        """Return the batch loop of a worker."""
        return self._loops[worker]

    async def publish(self, kind: str, data: Mapping[str, Any], ce_id: str | None = None) -> None:
        event = {
            "specversion": "1.0",
            "id": ce_id or uuid4().hex,
            "source": "test",
            "type": kind,
            "data": dict(data),
        }
        await self.send(structured(event))

    async def send(self, message: Message) -> None:
        await (await odd_records.send(self.producer, message))

    async def settle(self) -> None:
        await settle(self.kafka, self.url)

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url)
        try:
            found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return found
        finally:
            await connection.close()

    async def records(self, *topics: str) -> list[Any]:
        """Return every record of these topics, each partition in its order."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            there = (await describe(consumer._client, topics)).topics
            held = [TopicPartition(t, n) for t in topics for n in there[t].partitions]
            consumer.assign(held)
            ends = await consumer.end_offsets(held)
            found: list[Any] = []
            for partition in held:
                await consumer.seek_to_beginning(partition)
            while any([await consumer.position(p) < end for p, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
            return found
        finally:
            await consumer.stop()


@asynccontextmanager
async def live(
    kafka: str, database: str, workers: Iterable[str] = WORKERS, *, fresh: bool = True
) -> AsyncIterator[Live]:
    """Run workers on a database until the block ends: on fresh topics, or those that are there."""
    if fresh:
        await fresh_topics(kafka)
    async with working(kafka, database, workers) as fleet:
        yield fleet


@asynccontextmanager
async def working(
    kafka: str, database: str, workers: Iterable[str] = WORKERS
) -> AsyncIterator[Live]:
    """Run workers on the topics and the database as they are until the block ends."""
    settings = Settings(kafka=kafka, database_url=database)
    contexts = [Context(name, settings) for name in workers]
    parts: list[Part] = [part for each in contexts for part in parts_of(each)]
    loops = [part for part in parts if isinstance(part, Loop)]
    tasks = [asyncio.create_task(part.run()) for part in parts]
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True)
    await producer.start()
    try:
        yield Live(settings, producer, contexts, loops)
        died = [task.exception() for task in tasks if task.done()]
        assert not died, died
    finally:
        await producer.stop()
        for part in parts:
            part.stop()
        if tasks:
            await asyncio.wait(tasks)
        for context in contexts:
            for each in context.databases:
                await each.close()


async def fresh_topics(kafka: str) -> None:
    """Make all topics anew, empty."""
    await no_topics(kafka)
    await create_topics(kafka, 12)


async def no_topics(kafka: str) -> None:
    """Delete all topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        ours = {topic.name for topic in TOPICS}
        existing = ours & set(await admin.list_topics())
        if existing:
            await admin.delete_topics(sorted(existing))

        async def gone() -> bool:
            return not ours & set(await admin.list_topics())

        await until(gone, "the topics to be deleted")
    finally:
        await admin.close()
