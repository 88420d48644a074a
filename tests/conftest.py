"""Servers for the tests: one real Kafka and one real PostgreSQL for the whole session."""

import asyncio
import os
import threading
import uuid
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
from hypothesis import strategies

from shared.embedded import DataFolder, Kafka, Postgres
from shared.ledger.postgres.migrate import migrate

# Hypothesis loads this when it is first needed, deep in a test, where Python 3.11 may fail to
# compile it.
strategies.from_regex("a").validate()

T = TypeVar("T")
ZONE = "Asia/Dhaka"
PARTITIONS, BUCKETS = 12, 96

pytest_plugins = ["tests.support.options"]


class Background:
    """An event loop in a thread of its own, where session-wide servers live."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path_factory.mktemp("servers"))
    folder.lock()
    yield folder
    folder.unlock()


@pytest.fixture(scope="session")
def postgres(server_folder: DataFolder, background: Background) -> Iterator[Postgres]:
    """PostgreSQL as the installation brings it, or that of ROLLFORWARD_TEST_POSTGRES_BIN."""
    other = os.environ.get("ROLLFORWARD_TEST_POSTGRES_BIN")
    server = Postgres(server_folder, bin_dir=Path(other) if other else None)
    background.run(server.start())
    yield server
    background.run(server.stop())


@pytest.fixture(scope="session")
def kafka(server_folder: DataFolder, background: Background) -> Iterator[Kafka]:
    server = Kafka(server_folder)
    background.run(server.start())
    yield server
    background.run(server.stop())


@pytest.fixture(scope="session")
def template(postgres: Postgres, background: Background) -> str:
    """The name of a migrated database that others are copied from. Its lines are parted into as
    many partitions as ROLLFORWARD_TEST_LINE_PARTS says."""

    async def create() -> str:
        await _execute(postgres.admin_url, "CREATE DATABASE template_book")
        connection = await asyncpg.connect(named(postgres.admin_url, "template_book"))
        parts = os.environ.get("ROLLFORWARD_TEST_LINE_PARTS")
        await migrate(connection, PARTITIONS, ZONE, BUCKETS, int(parts) if parts else None)
        await connection.close()
        return "template_book"

    return background.run(create())


@pytest.fixture
def database(postgres: Postgres, template: str, background: Background) -> Iterator[str]:
    """The admin URL of a fresh database with the whole book in it."""
    name = f"book_{uuid.uuid4().hex[:12]}"
    background.run(_execute(postgres.admin_url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield named(postgres.admin_url, name)
    background.run(_execute(postgres.admin_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def named(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"
