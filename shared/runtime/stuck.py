"""Reports a batch that takes longer than 15 seconds and what it waits for, until it ends.

It is reported in /readyz (503), in the log and as a metric. Batches wait for locks by design, and
get an error only at the statement timeout: without this, a worker that is blocked by a lock would
look ready.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from shared.ledger.postgres.health import waits_for
from shared.runtime import metrics
from shared.runtime.database import Database
from shared.runtime.health import Health

STANDS_SECONDS = 15.0
REPORT_SECONDS = 5.0
"""How often the report is renewed, and how long PostgreSQL may take to say what is waited for."""

log = logging.getLogger(__name__)


class Stuck:
    """Watches the transactions of one part of a worker."""

    def __init__(self, worker: str, database: Database, health: Health) -> None:
        self._worker = worker
        self._database = database
        self._health = health
        self._began: dict[str, float] = {}

    @contextmanager
    def watched(self, cause: str, connection: asyncpg.Connection) -> Iterator[None]:
        """Report it when the block lasts too long; `cause` is its name in /readyz."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        reporting: list[asyncio.Task[None]] = []
        timer = loop.call_later(
            STANDS_SECONDS,
            lambda: reporting.append(loop.create_task(self._report(cause, connection, began))),
        )
        try:
            yield
        finally:
            timer.cancel()
            for task in reporting:
                task.cancel()
                self._take_back(cause, loop.time() - began)

    async def _report(self, cause: str, connection: asyncpg.Connection, began: float) -> None:
        loop, logged = asyncio.get_running_loop(), ""
        self._began[cause] = began
        while True:
            what = await self._waits_for(connection)
            seconds = loop.time() - began
            if what != logged:
                log.warning("%s: %s is held up for %.0f s: %s", self._worker, cause, seconds, what)
                logged = what
            self._health.bad(cause, f"held up for {seconds:.0f} s: {what}"[:300])
            self._show(loop.time())
            await asyncio.sleep(REPORT_SECONDS)

    async def _waits_for(self, connection: asyncpg.Connection) -> str:
        try:
            async with asyncio.timeout(REPORT_SECONDS), self._database.connection() as other:
                waiting = await waits_for(other, connection.get_server_pid())
        except Exception as error:
            # The batch meets the same error, and reports it better.
            return f"PostgreSQL does not say what it waits for ({type(error).__name__})"
        if waiting.lock:
            holders = ", ".join(waiting.holders) or "nobody any more"
            return f"waits for a lock ({waiting.lock}) that session {holders} holds"
        return f"waits for no lock ({waiting.event or 'PostgreSQL or Kafka is slow to answer'})"

    def _take_back(self, cause: str, seconds: float) -> None:
        if self._began.pop(cause, None) is None:
            return
        log.warning("%s: %s is over, after %.0f s", self._worker, cause, seconds)
        self._health.good(cause)
        self._show(asyncio.get_running_loop().time())

    def _show(self, now: float) -> None:
        oldest = min(self._began.values(), default=now)
        metrics.BATCH_STANDING.labels(self._worker).set(now - oldest)
