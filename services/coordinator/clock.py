"""The clock: one tick a night, for the day that has begun in the business zone."""

import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import faust

from shared.ledger.period import label_of
from shared.ledger.postgres import runs
from shared.runtime import trouble
from shared.runtime.database import Database
from shared.runtime.restored import Restored
from shared.schemas.publish import binary

log = logging.getLogger(__name__)

CLOCK_SECONDS = 20.0
NIGHT = timedelta(minutes=5)
"""The clock ticks for a day five minutes after it has begun in the business zone."""


class Clock:
    """A timer on the coordinator's Faust app, which also sends the ticks."""

    def __init__(
        self, app: faust.App, database: Database, restored: Restored, zone: ZoneInfo
    ) -> None:
        self._app = app
        self._database = database
        self._restored = restored
        self._zone = zone
        self._started_on = datetime.now(zone).date()
        app.timer(CLOCK_SECONDS)(self.look)

    async def look(self) -> None:
        """Tick for today once a night. A fleet that was down ticks when it is back, if its clock
        had ticked before; a new fleet waits for its first midnight or for a tick by hand. The
        earlier of this machine's clock and the database's counts, because the later one may be
        wrong."""
        try:
            async with self._database.connection() as connection:
                if await self._restored.stands_still(connection):
                    return
                last, shown = await runs.last_clock_tick(connection)
            now = min(datetime.now(self._zone), shown.astimezone(self._zone))
            today = (now - NIGHT).date()
            if (last is not None and last < today) or (last is None and self._started_on < today):
                await self._tick(today.isoformat(), label_of(today))
        except Exception as away:
            if trouble.lasting(away):
                raise
            log.warning("the clock waits: %s", trouble.described(away))

    async def _tick(self, as_of: str, period: str) -> None:
        tick_id = f"clock-{as_of}"
        data = {"tick_id": tick_id, "period": period, "as_of": as_of, "trigger": "nightly"}
        message = binary("billing.tick.v1", data, tick_id, "rollforward/clock")
        await self._app.topic(message.topic, key_type=bytes, value_type=bytes).send(
            key=message.key, value=message.value, headers=message.headers
        )
