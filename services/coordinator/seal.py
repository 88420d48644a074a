"""The daily seal of the book."""

import logging

import faust

from services.coordinator.runs import WAITS
from shared.ledger.postgres import runs, sealing
from shared.runtime import trouble
from shared.runtime.database import Database
from shared.runtime.restored import Restored

log = logging.getLogger(__name__)

SEAL_SECONDS = 60.0


class Seals:
    """A timer on the coordinator's Faust app."""

    def __init__(self, app: faust.App, database: Database, restored: Restored) -> None:
        self._database = database
        self._restored = restored
        app.timer(SEAL_SECONDS)(self.look)

    async def look(self) -> None:
        """Seal the book once a day, after the day's run is done."""
        try:
            async with self._database.connection() as connection:
                if await self._restored.stands_still(connection):
                    return
                if await runs.seal_is_due(connection):
                    sealed = await sealing.seal(connection)
                    log.info("seal %s: %s", sealed.number, sealed.hash.hex())
        except WAITS as away:
            log.warning("the seal waits: %s", trouble.described(away))
