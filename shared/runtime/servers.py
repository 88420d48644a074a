"""Short visits to the servers, for commands that come and go; errors say what to do."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from shared.ledger.postgres.shape import BookDiffers, expect_migrated
from shared.runtime.settings import SettingsError

CONNECT_SECONDS_MAX = 10


class Unreachable(Exception):
    """A server does not answer: start it, or look at its address. The message names it."""


@asynccontextmanager
async def database(
    url: str, *, role: str | None = None, migrated: bool = True
) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection to the book, acting as `role` where one is given. Without `migrated` the
    book need not be there yet.

    Raises Unreachable when the server does not answer or goes away meanwhile, SettingsError
    when it answers and does not let us in, or holds no book.
    """
    settings = {"application_name": "rollforward-console"}
    if role is not None:
        settings["role"] = role
    try:
        connection = await asyncpg.connect(
            url, timeout=CONNECT_SECONDS_MAX, server_settings=settings
        )
    except (TimeoutError, OSError, asyncpg.CannotConnectNowError) as error:
        raise Unreachable(f"PostgreSQL at {_place(url)} cannot be reached: {_why(error)}") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SettingsError(f"PostgreSQL at {_place(url)} does not let us in: {error}") from None
    try:
        if migrated:
            await _expect_migrated(connection)
        yield connection
    except BookDiffers as differs:
        raise SettingsError(f"the database at {_place(url)}: {differs}") from differs
    except BrokenPipeError:  # whoever reads our answer has gone, not the server
        raise
    except asyncpg.InsufficientPrivilegeError as error:
        raise SettingsError(
            f"the database at {_place(url)} does not allow this: {error}"
        ) from error
    except (asyncpg.SyntaxOrAccessError, asyncpg.InvalidSchemaNameError) as error:
        raise SettingsError(
            f"the book at {_place(url)} is not what this release works on ({error}):"
            " it was changed by hand; put it back as schema.sql has it"
        ) from error
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError) as error:
        raise Unreachable(f"PostgreSQL at {_place(url)} went away: {_why(error)}") from error
    finally:
        await _close(connection)


async def _expect_migrated(connection: asyncpg.Connection) -> None:
    """Raise BookDiffers as `expect_migrated`; who may only read reports cannot look."""
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


def _why(error: BaseException) -> str:
    return str(error) or ("no answer" if isinstance(error, TimeoutError) else type(error).__name__)
