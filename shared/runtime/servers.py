"""Short visits to the servers, for commands that come and go; errors say what to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from shared.runtime.connecting import NotLetIn, connect
from shared.runtime.settings import SettingsError

UNANSWERED = (
    TimeoutError,
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
)


class Unreachable(Exception):
    """A server does not answer: start it, or look at its address. The message names it."""


@asynccontextmanager
async def database(url: str, *, role: str | None = None) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection to the book, acting as `role` where one is given.

    Raises Unreachable when the server does not answer, does not accept us or goes away meanwhile,
    SettingsError when it holds no book, or not what we ask for.
    """
    try:
        connection = await connect(url, "console", role=role)
    except NotLetIn as error:
        raise Unreachable(f"PostgreSQL at {_place(url)}: {error}") from None
    except UNANSWERED as error:
        raise Unreachable(f"PostgreSQL at {_place(url)} cannot be reached: {_why(error)}") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SettingsError(f"PostgreSQL at {_place(url)} does not let us in: {error}") from None
    try:
        yield connection
    except BrokenPipeError:  # whoever reads our answer has gone, not the server
        raise
    except (asyncpg.InvalidSchemaNameError, asyncpg.UndefinedTableError) as error:
        raise SettingsError(
            f"the database at {_place(url)} holds no book of this version ({error}): "
            "run `rollforward migrate`"
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise SettingsError(
            f"the database at {_place(url)} does not allow this: {error}"
        ) from error
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError) as error:
        raise Unreachable(f"PostgreSQL at {_place(url)} went away: {_why(error)}") from error
    finally:
        await _close(connection)


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
