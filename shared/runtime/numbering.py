"""Numbers documents: looks for new lines several times a second, and numbers all that wait.

It needs only the book. The relay worker runs it beside publishing, because both follow commits; any
number of relays may run it at once, because a step locks the numbering.
"""

import asyncio
import logging

import asyncpg

from shared.ledger.postgres.documents import number_some
from shared.ledger.postgres.folding import Policies
from shared.ledger.postgres.outgoing import bills_first
from shared.runtime import metrics, trouble
from shared.runtime.backoff import Backoff, pause
from shared.runtime.database import PASSING, Database
from shared.runtime.health import Health
from shared.runtime.restored import Restored
from shared.runtime.stuck import Stuck

log = logging.getLogger(__name__)

LINES_MAX = 250
"""How many lines a step looks at per bucket."""
IDLE_SECONDS = 0.1
CAUSE = "numbering"
YIELD_SECONDS_MAX = 20.0


class Numbering:
    def __init__(self, kafka: str, database: Database, health: Health) -> None:
        self._database = database
        self._health = health
        self._restored = Restored(kafka, health)
        self._stuck = Stuck("relay", database, health)
        self._stopping = asyncio.Event()
        self._policies = Policies()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Number until `stop`. A book that was restored gets no number before a person has said
        which numbers were given out since (`rollforward restored`)."""
        wait = Backoff()
        while not self._stopping.is_set():
            try:
                async with self._database.connection() as connection:
                    await self._number(connection, wait)
            except PASSING as away:
                log.warning("numbering: %s", trouble.described(away))
                metrics.RETRIES.labels("relay", CAUSE).inc()
                self._health.bad(CAUSE, trouble.described(away))
                await wait(self._stopping)

    async def _number(self, connection: asyncpg.Connection, wait: Backoff) -> None:
        while not self._stopping.is_set() and await self._restored.stands_still(
            connection, anew=True
        ):
            await pause(self._stopping, 0.5)
        while not self._stopping.is_set():
            if await bills_first(connection, YIELD_SECONDS_MAX):
                await pause(self._stopping, IDLE_SECONDS)
                continue
            with self._stuck.watched(CAUSE, connection):
                waiting, made = await number_some(connection, self._policies, LINES_MAX)
            wait.reset()
            self._health.good(CAUSE)
            metrics.DOCUMENTS.inc(made)
            if not waiting:
                await pause(self._stopping, IDLE_SECONDS)
