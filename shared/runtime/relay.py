"""The relay: committed rows to Kafka, each at least once, in an order that nothing slips behind.

It reads rows whose transaction is older than every transaction still open, in (xid,
position) order. A writer gets its xid only after its locks, so one customer's lines
come in seq order. The cursor moves after Kafka has acknowledged: after a crash
rows are sent again, in the same order, with the same seq and `ce_id`.
"""

import asyncio
import logging
import time
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.ledger.line import Line
from shared.ledger.postgres.statements import sql
from shared.runtime import header_names, metrics
from shared.runtime.database import PASSING, Database
from shared.runtime.health import Health
from shared.runtime.loop import Backoff, pause
from shared.runtime.outbox import decode_headers
from shared.runtime.standing import Standing
from shared.schemas.outbound import line_appended

log = logging.getLogger(__name__)

ROWS_MAX = 2000
IDLE_SECONDS = 0.02
WATCH_SECONDS = 5.0
REQUEST_MS_MAX = 20_000
LOCK = 7284
"""The advisory lock that one relay holds while it works; another waits for its turn."""
LEASE = "60s"
"""PostgreSQL takes the lock from a relay that was stopped and has said nothing for so long;
longer than the broker may take to answer."""


class Relay:
    def __init__(self, kafka: str, database: Database, health: Health) -> None:
        self._kafka = kafka
        self._database = database
        self._health = health
        self._standing = Standing("relay", database, health)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Publish until `stop`; wait where a server is away, and say so in /readyz."""
        wait = Backoff()
        while not self._stopping.is_set():
            producer = AIOKafkaProducer(
                bootstrap_servers=self._kafka,
                enable_idempotence=True,
                acks="all",
                request_timeout_ms=REQUEST_MS_MAX,
                linger_ms=0,
                max_batch_size=1 << 18,
                max_request_size=8 << 20,
                compression_type=None,
            )
            try:
                await producer.start()
                self._health.good("kafka")
                async with self._database.connection() as connection:
                    await self._publish(connection, producer, wait)
            except KafkaError as away:
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
        while not self._stopping.is_set():
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                break
            self._health.good("database")
            await pause(self._stopping, 0.5)
        await connection.execute(sql("relay_lease"), LEASE)
        watched = -WATCH_SECONDS
        while not self._stopping.is_set():
            if time.monotonic() - watched > WATCH_SECONDS:
                await self._watch(connection, producer)
                watched = time.monotonic()
            with self._standing.watched("batch", connection):
                lines = await self._lines(connection, producer)
                others = await self._others(connection, producer)
            wait.reset()
            self._health.good("database")
            if max(lines, others) < ROWS_MAX:
                await pause(self._stopping, IDLE_SECONDS)

    async def _lines(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> int:
        rows = await connection.fetch(sql("relay_lines"), ROWS_MAX)
        messages = [line_appended(Line(*row[2:])) for row in rows]
        await _send(producer, messages)
        await _move(connection, "line", rows)
        return len(rows)

    async def _others(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> int:
        rows = await connection.fetch(sql("relay_outgoing"), ROWS_MAX)
        messages = [(r["topic"], r["key"], r["value"], decode_headers(r["headers"])) for r in rows]
        await _send(producer, messages)
        if rows:
            last = rows[-1]
            async with connection.transaction():
                await _move(connection, "outgoing", rows)
                await connection.execute(sql("relay_forget"), last["xid"], last["position"])
        return len(rows)

    async def _watch(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> None:
        """Show how much waits, and find out that the broker is away though nothing is sent."""
        for row in await connection.fetch(sql("relay_lag")):
            metrics.RELAY_LAG.labels(row["stream"]).set(row["waiting"])
        await producer.client.fetch_all_metadata()

    def _failed(self, cause: str, error: BaseException) -> None:
        log.warning("relay: %s: %s: %s", cause, type(error).__name__, error)
        metrics.RETRIES.labels("relay", cause).inc()
        self._health.bad(cause, f"{type(error).__name__}: {error}"[:200])


async def _send(producer: AIOKafkaProducer, messages: list[Any]) -> None:
    """Send messages in order and return when Kafka has them all."""
    futures = []
    for message in messages:
        futures.append(await header_names.send(producer, message))
        metrics.RELAY_PUBLISHED.labels(message[0]).inc()
    if futures:
        await producer.flush()
    for future in futures:
        future.result()


async def _move(connection: asyncpg.Connection, stream: str, rows: list[Any]) -> None:
    if rows:
        await connection.execute(sql("relay_move"), stream, rows[-1]["xid"], rows[-1]["position"])
