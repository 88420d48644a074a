"""Runs, on Faust: keyed by month, so that only one run of a month is active at a time.

Faust acknowledges a message even when its handler fails, so no state may be here alone: every run
and page is a row in the book first, and a timer sends again what makes no progress.
"""

import asyncio
import json
import logging
from typing import Any

import asyncpg
import faust
from aiokafka.errors import KafkaError

from shared.kafka.broker import expect_answer
from shared.kafka.faust_app import faust_app
from shared.ledger.postgres import runs
from shared.ledger.postgres.shape import BookDiffers
from shared.runtime import metrics, trouble
from shared.runtime.backoff import Backoff
from shared.runtime.database import PASSING, Database
from shared.runtime.health import Health
from shared.runtime.restored import Restored
from shared.schemas.topics import PAGES, RUNS

log = logging.getLogger(__name__)

HEAL_SECONDS = 0.25
STALE_SECONDS = 10.0
STOP_SECONDS = 2.0
WAITS = (*PASSING, KafkaError, BookDiffers)
"""The errors after which a timer tries again next time; on BookDiffers the worker ends first."""


class Runs:
    """The Faust app: an agent that claims months, and a timer that repeats lost claims and pages.

    Other timers may join `app` before it runs; they end when `stopping` is set.
    """

    def __init__(self, kafka: str, database: Database, health: Health, restored: Restored) -> None:
        self._kafka = kafka
        self._database = database
        self._health = health
        self._restored = restored
        self.stopping = asyncio.Event()
        self._wait = Backoff()
        self.app = faust_app(kafka, "runs")
        self._runs = self.app.topic(RUNS, key_type=bytes, value_type=bytes)
        self._pages = self.app.topic(PAGES, key_type=bytes, value_type=bytes)
        self.app.agent(self._runs)(self._on_runs)
        self.app.timer(HEAL_SECONDS)(self._heal)

    def stop(self) -> None:
        self.stopping.set()

    async def run(self) -> None:
        """Run the app until `stop`. A stop may come while it still joins its consumer group; the
        next coordinator's timer finds any work that Faust leaves undone."""
        await self._until_kafka_answers()
        if self.stopping.is_set():
            return
        starting = asyncio.create_task(self.app.start())
        stopping = asyncio.create_task(self.stopping.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            ended = asyncio.create_task(self.app.wait_until_stopped())
            await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        try:
            await asyncio.wait_for(self.app.stop(), STOP_SECONDS)
        except TimeoutError:
            log.warning("Faust did not stop in %s s and is abandoned", STOP_SECONDS)
        if not self.stopping.is_set():
            # It crashed, and without its timers nothing is repaired: exit, to be started again.
            raise RuntimeError("Faust ended by itself") from self.app.crash_reason

    async def _until_kafka_answers(self) -> None:
        """Wait for the broker, because Faust would end the worker instead."""
        while not self.stopping.is_set():
            try:
                await expect_answer(self._kafka)
                break
            except (KafkaError, OSError) as away:
                await self._failed(away)
        self._wait.reset()

    def accepted(self, period: str, tick_id: str) -> None:
        """Send a new run to the month's agent; if that message is lost, the timer finds the run."""
        value = json.dumps({"tick_id": tick_id}).encode()
        task = asyncio.ensure_future(self._runs.send(key=period.encode(), value=value))
        task.add_done_callback(_note_failure)

    async def _on_runs(self, stream: faust.StreamT[bytes]) -> None:
        async for event in stream.events():
            try:
                await self._claim(event.key.decode())
            except WAITS as away:
                log.warning("a run waits for the timer: %s", away)

    async def _claim(self, period: str) -> None:
        """Claim a month for its next run, if no run has it, and send the pages of that run."""
        try:
            async with self._database.transaction() as connection:
                if await self._restored.stands_still(connection):
                    return
                tick_id = await runs.claim(connection, period)
                if tick_id is None:
                    return
                pages = await runs.add_pages(connection, tick_id)
        except asyncpg.UniqueViolationError:
            return  # another coordinator claimed the month at the same moment
        for number in pages:
            await self._send_page(tick_id, number)

    async def _send_page(self, tick_id: str, number: int) -> None:
        value = json.dumps({"tick_id": tick_id, "page": number}).encode()
        key = str(number).encode()
        try:
            await self._pages.send(key=key, value=value, partition=number)
        except AssertionError:  # the client has not seen the newest partitions yet
            await self._pages.send(key=key, value=value)

    async def _heal(self) -> None:
        """Claim months for runs whose message was lost; send again pages that make no progress."""
        try:
            async with self._database.transaction() as connection:
                if await self._restored.stands_still(connection):
                    self._health.good("runs")
                    return
                periods = await runs.waiting_periods(connection)
                stale = await runs.stale_pages(connection, STALE_SECONDS)
            for period in periods:
                await self._claim(period)
            for page in stale:
                log.warning("page %s of run %s is sent again", page.number, page.tick_id)
                await self._send_page(page.tick_id, page.number)
            self._health.good("runs")
            self._wait.reset()
        except BookDiffers:
            return
        except Exception as away:
            # An error of a timer would end the app, and a broker that is away raises many kinds.
            if trouble.lasting(away):
                raise
            await self._failed(away)

    async def _failed(self, away: Exception) -> None:
        log.warning("runs wait: %s", trouble.described(away))
        metrics.RETRIES.labels("runs", type(away).__name__).inc()
        self._health.bad("runs", trouble.described(away))
        await self._wait(self.stopping)


def _note_failure(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.warning("a run waits for the timer: %s", task.exception())
