"""Connections to PostgreSQL: SQLAlchemy pools them, statements go through asyncpg.

Three kinds of error. `PASSING`: the server has trouble, and the worker waits. `OF_DATA`: the
database refuses a row, so one customer is affected. Any other error of PostgreSQL is the fault of
no row (a table, column, function or right is missing): it becomes `BookDiffers`, and the worker
ends.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.ledger.postgres.roles import WRITER
from shared.ledger.postgres.shape import BookDiffers, expect_fit
from shared.runtime.connecting import connect

COMMAND_SECONDS_MAX = 120
FIT = "fit"
"""Key in a connection's notes: the book was compared with this release when it was opened."""

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
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidCachedStatementError,
)
"""Errors that pass by themselves or are repaired from outside: a retry of the batch may succeed.
The last one comes of a migration applied meanwhile: a new session sees the book as it is now."""

OF_DATA = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
"""Errors about a row (SQLSTATE classes 22, 23 and 54): they affect one customer."""

log = logging.getLogger(__name__)


def nobodys(error: BaseException) -> bool:
    """Whether an error says that the book or our rights are not what this release needs."""
    if isinstance(error, BookDiffers | asyncpg.SequenceGeneratorLimitExceededError):
        return True  # a sequence at its end is of class 22, and refuses every row
    return isinstance(error, asyncpg.PostgresError) and not isinstance(error, PASSING + OF_DATA)


def _difference(error: BaseException) -> BookDiffers:
    if isinstance(error, BookDiffers):
        return error
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return BookDiffers(f"{error}: look at the name in the database URL")
    if getattr(error, "server_source_function", None) == "check_enable_rls":
        return BookDiffers(
            f"the book was changed by hand: row level security hides rows of it ({error}); nothing"
            " was applied and nobody set apart. Disable it on every table of schema book"
        )
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return BookDiffers(
            f"the login lacks a right: {error}; nothing was applied and nobody set apart."
            " See deploy/README.md for the rights that workers need"
        )
    what = f"{type(error).__name__}: {error}"
    return BookDiffers(
        f"PostgreSQL refuses what every batch does, {what}: the book was changed by hand, or is of"
        " another release; nothing was applied and nobody set apart."
        " Put back what is missing, as shared/ledger/postgres/schema.sql has it"
    )


class Database:
    """A pool of connections that act as one role, by default the writer.

    Before a new connection is lent, the book is compared with this release; `differs` is called
    with any difference that is found, then or later.
    """

    def __init__(
        self,
        url: str,
        name: str,
        role: str | None = WRITER,
        size: int = 4,
        differs: Callable[[BookDiffers], None] = lambda _: None,
    ) -> None:
        self.url = url
        self._differs = differs
        self._ahead: list[str] = []
        settings = {
            "jit": "off",
            # Row level security would silently hide rows from us: with this it is an error.
            "row_security": "off",
            # A worker frozen within a transaction (SIGSTOP, swapping) must not keep its locks.
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

        Raises BookDiffers for an error that no row is to blame for, NotLetIn when the server
        does not let us in.
        """
        try:
            async with AsyncExitStack() as stack:
                try:
                    lent = await stack.enter_async_context(self._engine.connect())
                    raw = await lent.get_raw_connection()
                except DBAPIError as error:
                    raise _as_it_was(error) from None
                connection = raw.driver_connection
                assert connection is not None
                try:
                    if FIT not in raw.info:
                        self._note_ahead(await expect_fit(connection))
                        raw.info[FIT] = True
                    yield connection
                except BaseException:
                    await asyncio.shield(lent.invalidate())
                    raise
        except Exception as error:
            if not nobodys(error):
                raise
            difference = _difference(error)
            self._differs(difference)
            raise difference from error

    def _note_ahead(self, ahead: list[str]) -> None:
        if ahead != self._ahead:
            log.warning(
                "the book is newer than this release and has %s besides; migrations only add,"
                " so this release can work on it: start the newer one when it suits",
                ", ".join(ahead),
            )
        self._ahead = ahead

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection within one transaction, READ COMMITTED."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        await self._engine.dispose()


def _as_it_was(error: BaseException) -> BaseException:
    """Return the error of asyncpg or the system, which SQLAlchemy wraps twice: a wrong password
    must not look like a server that is away."""
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
