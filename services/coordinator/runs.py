"""Runs, on Faust: keyed by month, so that a month's triggers meet and only one runs at a time.

Faust acknowledges what it was given even when a handler fails, so nothing here may be the only
one to know: every run and page is a row first, and a timer sends again what stands still.
"""

import asyncio
import json
import logging
import time
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import faust
from aiokafka.errors import KafkaError

from shared.kafka.broker import expect_answer
from shared.kafka.faust_app import faust_app
from shared.ledger.period import label_of
from shared.ledger.postgres import sealing
from shared.ledger.postgres.shape import BookDiffers
from shared.ledger.postgres.statements import sql
from shared.runtime import metrics, trouble
from shared.runtime.backoff import Backoff, pause
from shared.runtime.database import PASSING, Database
from shared.runtime.health import Health
from shared.runtime.restored import Restored
from shared.schemas.publish import binary
from shared.schemas.topics import PAGES, RUNS

log = logging.getLogger(__name__)

HEAL_SECONDS = 0.25
STALE_SECONDS = 10.0
WATCH_SECONDS = 5.0
RECONCILE_SECONDS, RECONCILE_AGAIN_SECONDS = 3600.0, 60.0
SEAL_SECONDS = 60.0
CLOCK_SECONDS = 20.0
STOP_SECONDS = 2.0
WAITS = (*PASSING, KafkaError, BookDiffers)
"""What a timer leaves to the next time; on BookDiffers the worker ends before that."""
NIGHT = timedelta(minutes=5)
"""The clock ticks for a day once it is five minutes old in the business zone."""


class Runs:
    """The Faust app: an agent that claims months, timers that heal, watch, and keep the clock."""

    def __init__(self, kafka: str, database: Database, health: Health, zone: ZoneInfo) -> None:
        self._kafka = kafka
        self._database = database
        self._health = health
        self._restored = Restored(kafka, health)
        self._zone = zone
        self._stopping = asyncio.Event()
        self._wait = Backoff()
        self._started_on = datetime.now(zone).date()
        self.app = faust_app(kafka, "runs")
        self._runs = self.app.topic(RUNS, key_type=bytes, value_type=bytes)
        self._pages = self.app.topic(PAGES, key_type=bytes, value_type=bytes)
        self.app.agent(self._runs)(self._on_runs)
        self.app.timer(HEAL_SECONDS)(self._heal)
        self.app.timer(WATCH_SECONDS)(self._watch)
        self.app.task(self._keep_reconciling)
        self.app.timer(SEAL_SECONDS)(self._seal)
        self.app.timer(CLOCK_SECONDS)(self._clock)

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Run the app until `stop`. Starting waits for the group, so a stop may come before it
        is done; what Faust leaves undone then, the next timer finds."""
        await self._until_kafka_answers()
        if self._stopping.is_set():
            return
        starting = asyncio.create_task(self.app.start())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            ended = asyncio.create_task(self.app.wait_until_stopped())
            await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        try:
            await asyncio.wait_for(self.app.stop(), STOP_SECONDS)
        except TimeoutError:
            log.warning("Faust did not stop in %s s and is left behind", STOP_SECONDS)
        if not self._stopping.is_set():
            # It crashed; without its timers nothing heals. Whoever started us starts us again.
            raise RuntimeError("Faust ended by itself") from self.app.crash_reason

    async def _until_kafka_answers(self) -> None:
        """Wait for the broker: Faust would not, and end the worker instead."""
        while not self._stopping.is_set():
            try:
                await expect_answer(self._kafka)
                break
            except (KafkaError, OSError) as away:
                await self._failed(away)
        self._wait.reset()

    def accepted(self, period: str, tick_id: str) -> None:
        """Tell the month's agent of a new run; when the word is lost the timer finds it."""
        said = json.dumps({"tick_id": tick_id}).encode()
        task = asyncio.ensure_future(self._runs.send(key=period.encode(), value=said))
        task.add_done_callback(_note_failure)

    async def _on_runs(self, stream: faust.StreamT[bytes]) -> None:
        async for event in stream.events():
            try:
                await self._claim(event.key.decode())
            except WAITS as away:
                log.warning("a run waits for the timer: %s", away)

    async def _claim(self, period: str) -> None:
        """Claim a month for its next run, if no other has it, and send its pages."""
        try:
            async with self._database.transaction() as connection:
                if await self._restored.stands_still(connection):
                    return
                tick_id = await connection.fetchval(sql("claim_run"), period)
                if tick_id is None:
                    return
                pages = await connection.fetch(sql("add_pages"), tick_id)
        except asyncpg.UniqueViolationError:
            return  # another coordinator claimed the month at the same moment
        for page in pages:
            await self._send_page(tick_id, page["bucket"])

    async def _send_page(self, tick_id: str, bucket: int) -> None:
        said = json.dumps({"tick_id": tick_id, "bucket": bucket}).encode()
        await self._pages.send(key=str(bucket).encode(), value=said, partition=bucket)

    async def _heal(self) -> None:
        """Claim for runs that nobody told us of, and send again pages that stand still."""
        try:
            async with self._database.transaction() as connection:
                if await self._restored.stands_still(connection):
                    self._health.good("runs")
                    return
                periods = await connection.fetch(sql("waiting_periods"))
                stale = await connection.fetch(sql("stale_pages"), STALE_SECONDS)
            for row in periods:
                await self._claim(row["period"])
            for row in stale:
                log.warning("page %s of run %s is sent again", row["bucket"], row["tick_id"])
                await self._send_page(row["tick_id"], row["bucket"])
            self._health.good("runs")
            self._wait.reset()
        except BookDiffers:
            return
        except Exception as away:
            # A timer that raises ends the app, and a broker that is away raises in many ways.
            if trouble.lasting(away):
                raise
            await self._failed(away)

    async def _failed(self, away: Exception) -> None:
        log.warning("runs wait: %s", trouble.told(away))
        metrics.RETRIES.labels("runs", type(away).__name__).inc()
        self._health.bad("runs", trouble.told(away))
        await self._wait(self._stopping)

    async def _watch(self) -> None:
        try:
            async with self._database.connection() as connection:
                row = await connection.fetchrow(sql("watch"))
        except WAITS as away:
            log.warning("the gauges wait: %s", trouble.told(away))
            return
        metrics.PARKED.set(row["parked"])
        metrics.QUARANTINED.set(row["quarantined"])
        metrics.RUN_RUNNING.set(row["running"])
        metrics.RUN_LAST_SUCCESS.set(row["last_success"] or 0)

    async def _keep_reconciling(self) -> None:
        """Look whether all figures are 0, at the start and then every hour: it reads the book. One
        that could not be read to its end is tried again after a minute."""
        while not self._stopping.is_set():
            done = await self._reconcile()
            await pause(self._stopping, RECONCILE_SECONDS if done else RECONCILE_AGAIN_SECONDS)

    async def _reconcile(self) -> bool:
        try:
            async with self._database.connection() as connection:
                row = await connection.fetchrow(sql("reconciliation"), timeout=RECONCILE_SECONDS)
        except WAITS as away:
            log.warning("the reconciliation waits: %s", trouble.told(away))
            return False
        for figure, difference in row.items():
            metrics.RECONCILIATION.labels(figure).set(difference)
        metrics.RECONCILIATION_LAST_SUCCESS.set(time.time())
        return True

    async def _seal(self) -> None:
        """Seal the book once a day, after the day's run is done."""
        try:
            async with self._database.connection() as connection:
                if await self._restored.stands_still(connection):
                    return
                if await connection.fetchval(sql("seal_due")):
                    sealed = await sealing.seal(connection)
                    log.info("seal %s: %s", sealed.number, sealed.hash.hex())
        except WAITS as away:
            log.warning("the seal waits: %s", trouble.told(away))

    async def _clock(self) -> None:
        """Tick for today once a night. A fleet that was down ticks when it is back, if its clock
        had ticked before; a new fleet waits for its first midnight, or for a person. Of two clocks,
        this machine's and the database's, the later one may be wrong: the earlier one counts."""
        try:
            async with self._database.connection() as connection:
                if await self._restored.stands_still(connection):
                    return
                last, shown = await connection.fetchrow(sql("last_clock_tick"))
            now = min(datetime.now(self._zone), shown.astimezone(self._zone))
            today = (now - NIGHT).date()
            if (last is not None and last < today) or (last is None and self._started_on < today):
                await self._tick(today.isoformat(), label_of(today))
        except Exception as away:
            if trouble.lasting(away):
                raise
            log.warning("the clock waits: %s", trouble.told(away))

    async def _tick(self, as_of: str, period: str) -> None:
        tick_id = f"clock-{as_of}"
        said = {"tick_id": tick_id, "period": period, "as_of": as_of, "trigger": "nightly"}
        message = binary("billing.tick.v1", said, tick_id, "rollforward/clock")
        await self.app.topic(message.topic, key_type=bytes, value_type=bytes).send(
            key=message.key, value=message.value, headers=message.headers
        )


def _note_failure(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.warning("a run waits for the timer: %s", task.exception())
