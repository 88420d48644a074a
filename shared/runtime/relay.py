"""The relay: committed rows to Kafka, each at least once, in an order that nothing slips behind.

It reads rows whose transaction is older than every transaction still open, in (xid,
position) order. A writer gets its xid only after its locks, so one customer's lines
come in seq order. The cursor moves after Kafka has acknowledged: after a crash
rows are sent again, in the same order, with the same seq and `ce_id`.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.kafka import clients, odd_records
from shared.ledger.postgres import outgoing
from shared.ledger.postgres.locks import lock_relay
from shared.runtime import metrics, trouble
from shared.runtime.backoff import Backoff, pause
from shared.runtime.database import PASSING, Database
from shared.runtime.health import Health
from shared.runtime.outbox import message_of
from shared.runtime.restored import Restored
from shared.runtime.stuck import Stuck
from shared.schemas.envelope import Message
from shared.schemas.outbound import line_appended
from shared.schemas.topics import LEDGER

log = logging.getLogger(__name__)

ROWS_MAX = 2000
BYTES_MAX = 16 << 20
"""A read of rows ends with the one that brings it to this: a dead letter may be a megabyte."""
IDLE_SECONDS = 0.02
WATCH_SECONDS = 5.0
REQUEST_MS_MAX = 20_000
LEASE = "60s"
"""PostgreSQL takes the lock from a relay that hangs and says nothing for so long within a pass;
longer than the broker may take to answer."""


class Relay:
    def __init__(self, kafka: str, database: Database, health: Health) -> None:
        self._kafka = kafka
        self._database = database
        self._health = health
        self._restored = Restored(kafka, health)
        self._stuck = Stuck("relay", database, health)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Publish until `stop`; wait where a server is away, and say so in /readyz."""
        wait = Backoff()
        while not self._stopping.is_set():
            producer = clients.producer(
                self._kafka,
                request_timeout_ms=REQUEST_MS_MAX,
                linger_ms=0,
                max_batch_size=1 << 18,
                max_request_size=8 << 20,
                compression_type=None,
            )
            try:
                await producer.start()
                async with self._database.connection() as connection:
                    await self._publish(connection, producer, wait)
            except KafkaError as away:
                if trouble.lasting(away):
                    raise
                self._failed("kafka", away)
                await wait(self._stopping)
            except PASSING as away:
                self._failed("database", away)
                await wait(self._stopping)
            finally:
                await producer.stop()

    async def _publish(
        self, connection: asyncpg.Connection, producer: AIOKafkaProducer, wait: Backoff
    ) -> None:
        while not self._stopping.is_set() and await self._restored.stands_still(
            connection, anew=True
        ):
            self._health.good("database")
            self._health.good("kafka")
            await pause(self._stopping, 0.5)
        watched, rows = -WATCH_SECONDS, 0
        while not self._stopping.is_set():
            if time.monotonic() - watched > WATCH_SECONDS:
                await self._watch(connection, producer)
                watched = time.monotonic()
            if rows == ROWS_MAX or await outgoing.is_waiting(connection):
                with self._stuck.watched("batch", connection):
                    rows = await self._pass(connection, producer)
            # Not before: a broker that answers may still not take what waits.
            wait.reset()
            self._health.good("kafka")
            self._health.good("database")
            if rows < ROWS_MAX:
                await pause(self._stopping, IDLE_SECONDS)

    async def _pass(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> int:
        """Publish the next rows; return how many, of the stream that has more of them.

        Lock, rows, Kafka's answer and the cursors' move are one transaction, so of several relays
        each goes on where the one before ended. It has no xid until Kafka has answered: it does
        not hold its own rows back.
        """
        async with connection.transaction():
            await lock_relay(connection, LEASE)
            lines = await outgoing.next_lines(connection, ROWS_MAX)
            await _send(producer, [line_appended(each.line, each.incarnation) for each in lines])
            others = await outgoing.next_rows(connection, ROWS_MAX, BYTES_MAX)
            await _send(producer, [message_of(each.row) for each in others])
            await outgoing.move(connection, outgoing.LINE, lines)
            await outgoing.move(connection, outgoing.OUTGOING, others)
            await outgoing.forget(connection, others)
        metrics.RELAY_PUBLISHED.labels(LEDGER).inc(len(lines))
        for topic, count in Counter(each.row[0] for each in others).items():
            metrics.RELAY_PUBLISHED.labels(topic).inc(count)
        return max(len(lines), len(others))

    async def _watch(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> None:
        """Show how much waits, and find out that the broker is away though nothing is sent."""
        for stream, waiting in (await outgoing.lag(connection)).items():
            metrics.RELAY_LAG.labels(stream).set(waiting)
        await producer.client.fetch_all_metadata()

    def _failed(self, cause: str, error: BaseException) -> None:
        log.warning("relay: %s: %s", cause, trouble.told(error))
        metrics.RETRIES.labels("relay", cause).inc()
        self._health.bad(cause, trouble.told(error))


async def _send(producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
    """Send messages in order and return when Kafka has them all."""
    futures = [await odd_records.send(producer, message) for message in messages]
    if futures:
        await producer.flush()
    for future in futures:
        future.result()
