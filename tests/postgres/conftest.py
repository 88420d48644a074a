"""A book to play in, and what a test of it needs."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from tests.postgres.booked import Booked


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """The superuser's connection to a fresh database with the whole book in it."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def books(connection: asyncpg.Connection) -> Booked:
    return Booked(connection)
