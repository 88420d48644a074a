"""Each class of trouble has its exit code (docs/commands.md) and words."""

import socket
import ssl
from typing import Any

import asyncpg
import click
import pytest
from aiokafka import errors as kafka
from click.testing import CliRunner

from services.console.main import Commands, main
from shared.embedded import DirectoryInUse, JarsMissing, ServerFailed
from shared.operator.servers import Unreachable, no_kafka, not_connected
from shared.operator.settle import NotSettled
from shared.runtime import trouble
from shared.runtime.connecting import NotLetIn
from shared.runtime.database import PASSING, Database
from shared.runtime.settings import SettingsError

URL = "postgresql://clerk:very-secret@db.example:5433/book"
AWAY = [
    TimeoutError(),
    ConnectionResetError(),
    ConnectionRefusedError(111, "Connection refused"),
    OSError(113, "No route to host"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.DiskFullError("could not extend file"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.AdminShutdownError("terminating connection"),
    asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
    asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    asyncpg.DeadlockDetectedError("deadlock detected"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("unexpected"),
    kafka.KafkaTimeoutError(),
    kafka.KafkaConnectionError("Unable to bootstrap"),
    kafka.NotLeaderForPartitionError(),
]
LOGIN = [
    NotLetIn("password authentication failed"),
    asyncpg.InvalidPasswordError('password authentication failed for user "clerk"'),
    asyncpg.InvalidAuthorizationSpecificationError('role "clerk" does not exist'),
    ssl.SSLCertVerificationError(1, "certificate verify failed"),
    kafka.AuthenticationFailedError("wrong"),
    kafka.UnsupportedSaslMechanismError(),
]
FORBIDDEN = [
    asyncpg.InsufficientPrivilegeError("permission denied for table line"),
    kafka.TopicAuthorizationFailedError("billing.signups.v1"),
    kafka.GroupAuthorizationFailedError("rollforward-generator"),
]
SETUP = [
    asyncpg.InvalidCatalogNameError('database "bok" does not exist'),
    asyncpg.UndefinedTableError('relation "book.line" does not exist'),
    asyncpg.UndefinedColumnError("column line.position does not exist"),
    asyncpg.UndefinedFunctionError("function report.statement_as_of does not exist"),
    asyncpg.InvalidSchemaNameError('schema "book" does not exist'),
    asyncpg.exceptions._base.DataError("invalid input for query argument $1"),
    asyncpg.exceptions.ClientConfigurationError("sslmode parameter is not valid"),
]
OURS = [KeyError("x"), AssertionError(), asyncpg.UniqueViolationError("x"), ZeroDivisionError()]

CODES = [
    *((error, 3) for error in [*AWAY, *LOGIN]),
    *((error, 2) for error in [*FORBIDDEN, *SETUP]),
    *((error, None) for error in OURS),
]


def named(value: Any) -> str | None:
    return type(value).__name__ if isinstance(value, Exception) else None


def raised_by_a_command(error: Exception) -> Any:
    @click.group(cls=Commands)
    def door() -> None:
        pass

    @door.command()
    def fail() -> None:
        raise error

    return CliRunner().invoke(door, ["fail"])


@pytest.mark.parametrize(("error", "code"), CODES, ids=named)
def test_an_error_of_a_server_has_its_exit_code_and_one_line(
    error: Exception, code: int | None
) -> None:
    result = raised_by_a_command(error)

    assert trouble.exit_code(error) == code
    if code is None:
        assert result.exception is error, "our mistake keeps its traceback"
    else:
        assert result.exit_code == code
        assert len(result.stderr.splitlines()) == 1
        assert trouble.words(error) in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unreachable("away"), 3),
        (ServerFailed("failed"), 3),
        (SettingsError("wrong"), 2),
        (JarsMissing("missing"), 2),
        (DirectoryInUse("in use"), 2),
        (NotSettled(["a run"], 1), 1),
        (PermissionError(13, "Permission denied", "/a/file"), 2),
        (OSError(28, "No space left on device"), 2),
    ],
    ids=named,
)
def test_each_error_that_we_name_has_its_exit_code(error: Exception, code: int) -> None:
    result = raised_by_a_command(error)

    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1
    assert len(result.stderr.split()) > 1, "words, not only a name"


@pytest.mark.parametrize(("error", "code"), CODES[: -len(OURS)], ids=named)
def test_no_error_of_a_server_is_without_words_and_none_repeats_a_password(
    error: Exception, code: int
) -> None:
    explain = no_kafka if isinstance(error, kafka.KafkaError) else not_connected

    explained = explain(URL if explain is not_connected else "kafka.example:9092", error)

    assert isinstance(explained, Unreachable if code == 3 else SettingsError)
    assert trouble.words(error).strip()
    assert trouble.words(error) in str(explained)
    assert "very-secret" not in str(explained)


def test_a_worker_waits_for_what_passes_and_for_nothing_else() -> None:
    assert [named(e) for e in [*LOGIN, *FORBIDDEN] if trouble.lasting(e) is not e] == []
    assert [named(e) for e in AWAY if trouble.lasting(e) is not None] == []
    assert [named(e) for e in AWAY if not isinstance(e, (*PASSING, kafka.KafkaError))] == []
    assert [
        named(e)
        for e in [*LOGIN, *FORBIDDEN]
        if isinstance(e, PASSING) and not isinstance(e, ssl.SSLError)
    ] == []


async def test_a_certificate_that_is_not_trusted_is_not_waited_for_as_a_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def untrusted(*_: object, **__: object) -> None:
        error = ssl.SSLCertVerificationError(1, "certificate verify failed")
        error.verify_message = "self-signed certificate"
        raise error

    monkeypatch.setattr(asyncpg, "connect", untrusted)
    database = Database(URL, "test")

    with pytest.raises(NotLetIn) as refused:
        async with database.connection():
            pass

    assert not isinstance(refused.value, PASSING)
    assert trouble.lasting(refused.value) is refused.value
    await database.close()


def test_a_log_says_the_name_of_an_error_once() -> None:
    assert trouble.described(kafka.KafkaConnectionError("x")) == "KafkaConnectionError: x"
    assert trouble.described(TimeoutError()) == "TimeoutError: no answer in time"


def test_what_lasts_is_found_behind_the_error_that_came_of_it() -> None:
    crashed = RuntimeError("Faust ended by itself")
    crashed.__cause__ = LOGIN[0]

    assert trouble.lasting(crashed) is LOGIN[0]


COMMANDS = [
    ("settle",),
    ("statement", "c-1"),
    ("explain", "c-1", "2026-01"),
    ("policy", "show"),
    ("parked",),
    ("verify",),
    ("seal",),
    ("export", "--format", "csv"),
    ("export", "--format", "hledger"),
    ("export", "--format", "parquet"),
    ("rehearse", "--as-of", "2026-02-01"),
    ("quarantine", "list"),
    ("quarantine", "retry"),
    ("tick", "--as-of", "2026-01-01"),
    ("migrate",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_says_in_words_that_a_server_is_silent(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes the connection and never answers."""
    monkeypatch.setattr("shared.runtime.connecting.SECONDS_MAX", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = URL.replace("db.example:5433", f"127.0.0.1:{silent.getsockname()[1]}")
        env = {"ROLLFORWARD_KAFKA": "127.0.0.1:1", "ROLLFORWARD_DATABASE_URL": url}
        result = CliRunner().invoke(main, command, env={**env, "ROLLFORWARD_DATA": ""})

    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.endswith("/book cannot be reached: no answer in time")
    assert "very-secret" not in line
