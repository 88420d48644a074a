"""What an error of a server means: in words, and as an exit code (docs/commands.md).

Three kinds. Errors that pass by themselves or are repaired from outside: workers wait
(`database.PASSING`). Errors that waiting does not cure, such as a wrong password or missing
rights: the worker or command ends with one clear line. Anything else is a bug and keeps its
traceback.
"""

import errno
import os
import ssl

import asyncpg
from aiokafka import errors as kafka
from aiokafka.errors import KafkaError

from shared.runtime.connecting import NotLetIn

USAGE, UNREACHABLE = 2, 3


LOGIN = (
    NotLetIn,
    asyncpg.InvalidAuthorizationSpecificationError,  # a wrong password is one of them
    ssl.SSLCertVerificationError,
    kafka.AuthenticationFailedError,
    kafka.AuthenticationMethodNotSupported,
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
)
"""The server answers but refuses the login: exit code 3."""

RIGHTS = (
    asyncpg.InsufficientPrivilegeError,
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
    kafka.TransactionalIdAuthorizationFailed,
)
"""The server accepts the login but forbids the request: exit code 2."""

SETUP = (
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,
)
"""There is no such database, or no book of this version in it: exit code 2."""

AWAY = (
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # max_connections is used up, a disk is full
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalClientError,
    KafkaError,
)
"""The server is away, or cannot do it now: exit code 3."""


def words(error: BaseException) -> str:
    """Return the message of an error, and never an empty one, as many a TimeoutError has."""
    if text := " ".join(str(error).split()):
        return text
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return f"{type(error).__name__}, without a reason"


def described(error: BaseException) -> str:
    """Return an error's name and message, at most 200 characters: for logs and /readyz."""
    name, text = type(error).__name__, words(error)
    return (text if text.startswith(name) else f"{name}: {text}")[:200]


def reason(error: BaseException) -> str:
    """Return an error's name and its first line, at most 500 characters, to be kept for people.

    The lines after it, PostgreSQL's DETAIL, may hold a row with a customer's name and phone.
    """
    first = str(error).split("\n")[0].strip()
    return f"{type(error).__name__}: {first or words(error)}"[:500]


def exit_code(error: BaseException) -> int | None:
    """Return 2 or 3 (docs/commands.md), None for a bug of ours."""
    if isinstance(error, LOGIN):
        return UNREACHABLE
    if isinstance(error, RIGHTS + SETUP):
        return USAGE
    if isinstance(error, AWAY):
        return UNREACHABLE
    if isinstance(error, asyncpg.InterfaceError):
        # A ValueError means a wrong argument; any other means that the connection has ended.
        return USAGE if isinstance(error, ValueError) else UNREACHABLE
    if isinstance(error, OSError) and error.errno in _NETWORK:
        return UNREACHABLE
    return None


_NETWORK = {
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
}


def lasting(error: BaseException | None) -> BaseException | None:
    """Return the error, or that of its causes, which waiting does not cure; None if there is none.

    A worker ends on it with its exit code and is started again with growing pauses, so that a
    password that was changed while it ran is read at the next start.
    """
    while error is not None:
        if isinstance(error, LOGIN + RIGHTS) and not _raised_by_a_trigger(error):
            return error
        error = error.__cause__
    return None


def _raised_by_a_trigger(error: BaseException) -> bool:
    """Whether our own triggers raised it: those of append-only rows use the same SQLSTATE, 42501,
    but that concerns one customer and not the login."""
    return getattr(error, "server_source_function", None) == "exec_stmt_raise"
