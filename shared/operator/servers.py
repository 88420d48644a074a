"""Connections to the servers for commands; their errors say what to do."""

import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
from aiokafka.errors import KafkaError

from shared.kafka.asker import Asker
from shared.kafka.clients import STARTING_SECONDS_MAX
from shared.ledger.postgres.shape import BookDiffers, expect_migrated
from shared.runtime import trouble
from shared.runtime.connecting import NotLetIn, connect
from shared.runtime.settings import SettingsError


class Unreachable(Exception):
    """A server does not answer: start it, or look at its address. The message names it."""


@asynccontextmanager
async def database(
    url: str, *, role: str | None = None, migrated: bool = True
) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection to the book, acting as `role` where one is given. Unless `migrated`, the
    book need not exist yet.

    Raises Unreachable when the server does not answer, refuses the login or goes away meanwhile,
    SettingsError when a right is missing or the database holds no book.
    """
    try:
        connection = await connect(url, "console", role=role)
    except (
        OSError,
        NotLetIn,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
    ) as error:
        raise not_connected(url, error) from None
    try:
        if migrated:
            await _expect_migrated(connection)
        yield connection
    except BookDiffers as differs:
        raise SettingsError(f"the database at {_place(url)}: {differs}") from differs
    except BrokenPipeError:  # the reader of our output has gone, not the server
        raise
    except Exception as error:
        explained = _explained(url, error)
        if explained is None:
            raise
        raise explained from error
    finally:
        await _close(connection)


@asynccontextmanager
async def asking(kafka: str) -> AsyncIterator[Asker]:
    """Lend an `Asker` to a command; raise Unreachable when the broker is away."""
    # While the broker is away the client logs much; our own error says it in one line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asker = Asker(kafka, STARTING_SECONDS_MAX)
    try:
        await asker.start()
        yield asker
    except (KafkaError, OSError) as error:
        raise no_kafka(kafka, error) from error
    finally:
        await asker.stop()


def not_connected(url: str, error: BaseException) -> Exception:
    """Return the error, Unreachable or SettingsError, for a connection that failed to open."""
    place, why = f"PostgreSQL at {_place(url)}", trouble.words(error)
    if isinstance(error, trouble.LOGIN):
        return Unreachable(f"{place} does not let us in: {why}; see ROLLFORWARD_DATABASE_URL")
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return Unreachable(f"{place} has no connection left for us: {why}; see max_connections")
    if isinstance(error, OSError) or trouble.exit_code(error) == trouble.UNREACHABLE:
        return Unreachable(f"{place} cannot be reached: {why}")
    return SettingsError(f"{place} does not let us in: {why}")


def no_kafka(kafka: str, error: BaseException) -> Exception:
    """Return the error, Unreachable or SettingsError, for a failed request to Kafka."""
    place, why = f"Kafka at {kafka}", trouble.words(error)
    if isinstance(error, trouble.LOGIN):
        return Unreachable(f"{place} does not let us in: {why}")
    if isinstance(error, trouble.RIGHTS):
        return SettingsError(f"{place} does not allow this: {why}")
    return Unreachable(f"{place} cannot be reached: {why}")


def _explained(url: str, error: Exception) -> Exception | None:
    """Return the error to raise for one met on an open connection; None if the database did not
    cause it."""
    code = None if isinstance(error, KafkaError) else trouble.exit_code(error)
    place, why = _place(url), trouble.words(error)
    if isinstance(error, trouble.SETUP):
        return SettingsError(
            f"the book at {place} does not fit this release ({why}): it was changed by "
            "hand; put it back as shared/ledger/postgres/schema.sql has it"
        )
    if isinstance(error, trouble.RIGHTS):
        return SettingsError(f"the database at {place} does not allow this: {why}")
    if code == trouble.USAGE or _cannot_be_sent(error):
        return SettingsError(f"this cannot be asked of a database: {why}")
    if isinstance(error, OSError | asyncpg.PostgresConnectionError | asyncpg.InterfaceError):
        return None if code is None else Unreachable(f"PostgreSQL at {place} went away: {why}")
    return None if code is None else Unreachable(f"PostgreSQL at {place} cannot do this now: {why}")


def _cannot_be_sent(error: Exception) -> bool:
    """Whether asyncpg refused an argument before it was sent: too large a number, no UTF-8."""
    return isinstance(error, asyncpg.DataError) and str(error).startswith("invalid input for query")


async def _expect_migrated(connection: asyncpg.Connection) -> None:
    """Raise BookDiffers as `expect_migrated` does, unless the login may only read reports."""
    with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
        await expect_migrated(connection)


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=2)
    except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
        connection.terminate()


def _place(url: str) -> str:
    """Return host, port and database of a URL: never the password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"
