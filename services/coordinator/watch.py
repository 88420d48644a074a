"""The coordinator's metrics of the whole fleet: gauges, and figures that must be 0."""

import asyncio
import logging
import time

import faust

from services.coordinator.runs import WAITS
from shared.ledger.postgres import health
from shared.runtime import metrics, trouble
from shared.runtime.backoff import pause
from shared.runtime.database import Database

log = logging.getLogger(__name__)

RECONCILE_SECONDS, RECONCILE_AGAIN_SECONDS = 3600.0, 60.0
TURN_CHECKS = 24
"""In how many hourly checks the whole book is read again."""
LATELY_SECONDS = 26 * 3600
"""A turn, and time for its checks themselves."""


class Watch:
    """Timers on the coordinator's Faust app; they end when `stopping` is set."""

    def __init__(self, app: faust.App, database: Database, stopping: asyncio.Event) -> None:
        self._database = database
        self._stopping = stopping
        app.timer(metrics.WATCH_SECONDS)(self.show)
        app.task(self._keep_reconciling)

    async def show(self) -> None:
        """Set the gauges."""
        try:
            async with self._database.connection() as connection:
                gauges = await health.gauges(connection)
        except WAITS as away:
            log.warning("the gauges wait: %s", trouble.described(away))
            return
        metrics.PARKED.set(gauges.parked)
        metrics.QUARANTINED.set(gauges.quarantined)
        metrics.RUN_RUNNING.set(gauges.running)
        metrics.RUN_LAST_SUCCESS.set(gauges.last_success or 0)

    async def _keep_reconciling(self) -> None:
        """Check the book at the start and then every hour; after a failure again in a minute."""
        while not self._stopping.is_set():
            done = await self.reconcile()
            await pause(self._stopping, RECONCILE_SECONDS if done else RECONCILE_AGAIN_SECONDS)

    async def reconcile(self) -> bool:
        """Check what report.reconciliation says of customers with new lines and of some buckets
        whole, and set the metrics; return False when the book cannot be read to the end."""
        began = time.monotonic()
        try:
            async with self._database.connection() as connection:
                for bucket, whole in await health.turn(connection, TURN_CHECKS):
                    await health.check(connection, bucket, whole, RECONCILE_SECONDS)
                    self._set(await health.checked(connection, LATELY_SECONDS))
        except WAITS as away:
            log.warning("the reconciliation waits: %s", trouble.described(away))
            return False
        metrics.RECONCILIATION_SECONDS.set(time.monotonic() - began)
        metrics.RECONCILIATION_LAST_SUCCESS.set(time.time())
        return True

    def _set(self, checked: health.Checked) -> None:
        """Set what is found after each bucket: a later one may fail, or take long."""
        for figure, difference in checked.figures.items():
            metrics.RECONCILIATION.labels(figure).set(difference)
        metrics.RECONCILIATION_REACH.set(checked.reach)
        if checked.read_at is not None:
            metrics.RECONCILIATION_WHOLE.set(checked.read_at)
