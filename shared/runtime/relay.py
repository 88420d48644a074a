"""The relay: publishes committed rows to Kafka, each at least once, and skips none.

Each stream has one cursor per bucket. A writer holds the bucket's lock until its commit, and
positions are assigned while it is held, so within a bucket positions rise in commit order. So no
row with a position below that of a visible row is committed later. The cursor moves after Kafka has
acknowledged: after a crash rows are sent again, in the same order, with the same seq and `ce_id`.
"""

import asyncio
import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.kafka import batches, clients
from shared.ledger.postgres import outgoing
from shared.runtime import metrics, trouble
from shared.runtime.backoff import Backoff, pause
from shared.runtime.database import PASSING, Database
from shared.runtime.health import Health
from shared.runtime.outbox import message_of
from shared.runtime.restored import Restored
from shared.runtime.stuck import Stuck
from shared.schemas.envelope import Message

log = logging.getLogger(__name__)

ROWS_MAX = 2000
"""Approximate number of rows per pass and stream, divided equally among the buckets of the pass."""
BUCKETS_MAX = 48
"""Maximum number of buckets per pass and stream; another relay or the next pass takes the
others."""
BYTES_MAX = 16 << 20
"""A read of outgoing rows ends with the row that reaches this size: a dead letter may have 1 MB."""
IDLE_SECONDS, IDLE_SECONDS_MAX = 0.02, 0.1
"""The pause while nothing waits. After BUSY_SECONDS without rows it grows to the maximum."""
BUSY_SECONDS = 1.0
YIELD_SECONDS_MAX = 20.0
"""How long after its start a run slows down publishing, so that billing gets the machine."""
YIELD_ROWS, YIELD_PAUSE_SECONDS = 96, 0.1
"""Meanwhile, the approximate number of rows per pass and stream, and the pause after a pass."""
WATCH_SECONDS = 5.0
REQUEST_MS_MAX = 20_000
LEASE = "60s"
"""Idle timeout within a pass: PostgreSQL then frees the cursors of a relay that hangs. Longer than
the broker may take to answer."""
STREAMS = (outgoing.LINE, outgoing.OUTGOING, outgoing.NOTICE, outgoing.ENTITLEMENT)


class Relay:
    def __init__(self, kafka: str, database: Database, health: Health) -> None:
        self._kafka = kafka
        self._database = database
        self._health = health
        self._restored = Restored(kafka, health)
        self._stuck = Stuck("relay", database, health)
        self._stopping = asyncio.Event()
        self._next = Counter[str]()
        """By stream, the bucket from which the next pass begins, so that no bucket is left out for
        long."""

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Publish until `stop`. If Kafka or the database is unavailable, wait and report it in
        /readyz."""
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
        watched = -WATCH_SECONDS
        idle, published, yields = IDLE_SECONDS, time.monotonic(), False
        while not self._stopping.is_set():
            if time.monotonic() - watched > WATCH_SECONDS:
                await self._watch(connection, producer)
                watched = time.monotonic()
            with self._stuck.watched("batch", connection):
                rows = await self._pass(connection, producer, YIELD_ROWS if yields else ROWS_MAX)
                yields = bool(rows) and await outgoing.bills_first(connection, YIELD_SECONDS_MAX)
            metrics.RELAY_YIELDS.set(yields)
            # Only now: a broker that answers may still refuse these messages.
            wait.reset()
            self._health.good("kafka")
            self._health.good("database")
            if rows:
                idle, published = IDLE_SECONDS, time.monotonic()
                if yields:
                    await pause(self._stopping, YIELD_PAUSE_SECONDS)
                continue
            # Nothing waits, or another relay has locked its cursors.
            await pause(self._stopping, idle)
            if time.monotonic() - published > BUSY_SECONDS:
                idle = min(idle * 1.5, IDLE_SECONDS_MAX)

    async def _pass(
        self, connection: asyncpg.Connection, producer: AIOKafkaProducer, rows_max: int = ROWS_MAX
    ) -> int:
        """Publish the next rows of buckets in which rows wait, about `rows_max` per stream; return
        how many were published.

        Locking the cursors, reading rows, waiting for Kafka's acknowledgement and moving the
        cursors are one transaction. So several relays take different buckets, and each continues
        where the previous one ended.
        """
        waiting = await outgoing.waiting(connection)
        if not waiting:
            return 0
        async with connection.transaction():
            cursors = await outgoing.take(connection, self._turn(waiting), LEASE)
            rows = await _rows(connection, cursors, rows_max)
            await _send(producer, [message_of(row) for of in rows.values() for row in of])
            await outgoing.move(connection, cursors, rows)
        return sum(map(len, rows.values()))

    def _turn(self, waiting: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Return which of these (stream, bucket) this pass takes, at most BUCKETS_MAX per
        stream."""
        turn = []
        for stream in STREAMS:
            buckets = sorted(bucket for name, bucket in waiting if name == stream)
            first = bisect_left(buckets, self._next[stream])
            taken = (buckets[first:] + buckets[:first])[:BUCKETS_MAX]
            if taken:
                self._next[stream] = taken[-1] + 1
            turn += [(stream, bucket) for bucket in taken]
        return turn

    async def _watch(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> None:
        """Update the lag gauges, and ask the broker for metadata, so that an outage is noticed even
        while nothing is sent."""
        for stream, waiting in (await outgoing.lag(connection)).items():
            metrics.RELAY_LAG.labels(stream).set(waiting)
        await producer.client.fetch_all_metadata()

    def _failed(self, cause: str, error: BaseException) -> None:
        log.warning("relay: %s: %s", cause, trouble.described(error))
        metrics.RETRIES.labels("relay", cause).inc()
        self._health.bad(cause, trouble.described(error))


async def _rows(
    connection: asyncpg.Connection, cursors: outgoing.Cursors, rows_max: int
) -> dict[str, Sequence[outgoing.Next]]:
    """Return the next rows of each stream with locked cursors, about `rows_max` per stream.
    Outgoing rows are few, so they are never slowed down."""
    buckets = Counter(stream for stream, _ in cursors)
    most = {stream: ROWS_MAX if stream == outgoing.OUTGOING else rows_max for stream in buckets}
    share = {stream: max(1, most[stream] // count) for stream, count in buckets.items()}
    rows: dict[str, Sequence[outgoing.Next]] = {}
    if share.get(outgoing.LINE):
        rows[outgoing.LINE] = await outgoing.next_lines(connection, cursors, share[outgoing.LINE])
    if share.get(outgoing.OUTGOING):
        rows[outgoing.OUTGOING] = await outgoing.next_rows(
            connection, cursors, share[outgoing.OUTGOING], BYTES_MAX
        )
    if share.get(outgoing.NOTICE):
        rows[outgoing.NOTICE] = await outgoing.next_notices(
            connection, cursors, share[outgoing.NOTICE]
        )
    if share.get(outgoing.ENTITLEMENT):
        rows[outgoing.ENTITLEMENT] = await outgoing.next_entitlements(
            connection, cursors, share[outgoing.ENTITLEMENT]
        )
    return rows


async def _send(producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
    """Send messages, in order within each partition; return when Kafka has acknowledged all."""
    await batches.send_all(producer, messages)
    for topic, count in Counter(message.topic for message in messages).items():
        metrics.RELAY_PUBLISHED.labels(topic).inc(count)
