"""Connections to PostgreSQL: SQLAlchemy keeps them, asyncpg speaks on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.runtime.connecting import connect

WRITER = "rollforward_writer"
COMMAND_SECONDS_MAX = 120

PASSING = (
    OSError,
    asyncio.TimeoutError,
    DBAPIError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.PostgresSystemError,
)
"""What passes by itself or is mended from outside: the same batch may succeed when tried again.
A wrong password does not pass: `trouble.lasting` ends the worker."""


class Database:
    """A pool of connections that act as one role; the writer unless told otherwise."""

    def __init__(self, url: str, name: str, role: str | None = WRITER, size: int = 4) -> None:
        settings = {
            "jit": "off",
            # A worker that was stopped within a transaction gives its buckets back.
            "idle_in_transaction_session_timeout": "30s",
        }
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            pool_size=size,
            max_overflow=0,
            pool_timeout=60,
            async_creator=lambda: connect(
                url, name, settings, role=role, command_seconds_max=COMMAND_SECONDS_MAX
            ),
        )
        event.listen(self._engine.sync_engine, "connect", _leave_json_as_text)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection. After any error it is thrown away, never lent again.

        Raises NotLetIn when the server does not let us in.
        """
        async with AsyncExitStack() as stack:
            try:
                lent = await stack.enter_async_context(self._engine.connect())
                raw = await lent.get_raw_connection()
            except DBAPIError as error:
                raise _as_it_was(error) from None
            connection = raw.driver_connection
            assert connection is not None
            try:
                yield connection
            except BaseException:
                await asyncio.shield(lent.invalidate())
                raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection within one transaction, READ COMMITTED."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        await self._engine.dispose()


def _as_it_was(error: BaseException) -> BaseException:
    """Return what asyncpg or the system said, which SQLAlchemy wraps twice: a wrong password must
    not look like a server that is away."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, OSError | asyncpg.PostgresError):
        inner = inner.__cause__
    return inner or error


def _leave_json_as_text(adapted: Any, _: object) -> None:
    """Undo the codec that SQLAlchemy sets: the book reads and writes JSON as text itself."""

    async def reset(connection: asyncpg.Connection) -> None:
        for name in ("json", "jsonb"):
            await connection.reset_type_codec(name, schema="pg_catalog")

    adapted.run_async(reset)
