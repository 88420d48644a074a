"""What the parts of a worker are made with, and what a part is."""

import asyncio
from typing import Protocol

from shared.ledger.postgres.shape import BookDiffers
from shared.runtime.database import Database
from shared.runtime.health import Health
from shared.runtime.settings import Settings, SettingsError


class Part(Protocol):
    """Something that runs until `stop`, and then finishes its current work."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class Context:
    """What the parts of a worker are made with: settings, health, databases."""

    def __init__(self, name: str, settings: Settings) -> None:
        if settings.kafka is None or settings.database_url is None:
            raise SettingsError("ROLLFORWARD_KAFKA and ROLLFORWARD_DATABASE_URL must be set")
        self.name = name
        self.settings = settings
        self.kafka = settings.kafka
        self.health = Health("database", "kafka")
        self.databases: list[Database] = []
        self.difference: BookDiffers | None = None
        self.differs = asyncio.Event()
        self.partitions = settings.partitions
        """How many partitions the fleet had at the last look at the book."""
        self.remarked: set[str] = set()
        """What was wrong with the topics at the last look."""

    def database(self, size: int = 2) -> Database:
        assert self.settings.database_url is not None
        database = Database(
            self.settings.database_url, self.name, size=size, differs=self._on_difference
        )
        self.databases.append(database)
        return database

    def _on_difference(self, difference: BookDiffers) -> None:
        """End the worker, whichever part found the difference: no part can work on this book."""
        self.difference = self.difference or difference
        self.health.bad("book", str(difference)[:500])
        self.differs.set()
