"""Finds the fleet by a folder's `connection.json` or the two server settings, and queries its
book."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import click

from shared.operator.printing import working
from shared.runtime.settings import Settings, SettingsError

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

HOW = "name the fleet by --data DIR, or by ROLLFORWARD_KAFKA and ROLLFORWARD_DATABASE_URL"
KEYS = {"kafka": "ROLLFORWARD_KAFKA", "database_admin": "ROLLFORWARD_DATABASE_URL"}
"""What commands read of a folder's `connection.json`, and the settings that mean the same."""


class Servers(NamedTuple):
    """The addresses of a fleet's servers; None where not known."""

    settings: Settings
    kafka_address: str | None
    database_url: str | None

    @property
    def kafka(self) -> str:
        """The bootstrap address; raises SettingsError when it is not known."""
        if self.kafka_address is None:
            raise SettingsError(f"no Kafka is known; {HOW}")
        return self.kafka_address

    @property
    def database(self) -> str:
        """The URL of the database, for a role that may write; raises SettingsError as above."""
        if self.database_url is None:
            raise SettingsError(f"no database is known; {HOW}")
        return self.database_url


def find(data: Path | None) -> Servers:
    """Return the servers of the fleet of a folder, or those that the environment names."""
    settings = Settings.from_environment()
    folder = data or settings.data
    if folder is None:
        return Servers(settings, settings.kafka, settings.database_url)
    kafka, database = _read(folder.expanduser() / "connection.json")
    return Servers(settings, kafka, database)


def _read(file: Path) -> tuple[str, str]:
    """Return Kafka's address and the database's URL; SettingsError in one line where the file is
    not as a fleet writes it. What it holds is never repeated: it has a password."""
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"{file} is not there: start the fleet with `rollforward up --data {file.parent}`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None
    again = "stop the fleet and start it again, or take away the file"
    try:
        connection = json.loads(text)
    except (ValueError, RecursionError):
        connection = None
    if not isinstance(connection, dict):
        raise SettingsError(f"{file} is not the JSON object that a fleet writes: {again}")
    for key in KEYS:
        value = connection.get(key)
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise SettingsError(f"{file}: {key!r} is missing or no address: {again}")
    try:
        found = Settings.from_environment({name: connection[key] for key, name in KEYS.items()})
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}: {again}") from None
    assert found.kafka is not None
    assert found.database_url is not None
    return found.kafka, found.database_url


def wait(what: Coroutine[Any, Any, T], words: str | None) -> T:
    """Run `what` to its end and return its value. On a terminal `words` say that it is at work,
    once it takes more than a second; None where it shows its progress itself."""
    with nullcontext() if words is None else working(words):
        return asyncio.run(what)


def ask(
    servers: Servers,
    question: Callable[[Any], Awaitable[T]],
    role: str | None = None,
    words: str | None = "asking the book",
) -> T:
    """Connect to the book, ask one question, and return the answer; `words` as in `wait`."""
    from shared.operator.servers import database

    async def asked() -> T:
        async with database(servers.database, role=role) as connection:
            return await question(connection)

    return wait(asked(), words)


def expect_whole(servers: Servers) -> None:
    """Raise BookBehind where the book was restored and stands still: a person must not write then.
    Does nothing where no Kafka is configured, for there is nothing to compare the book with."""
    from shared.operator.restored import expect_whole as whole

    if servers.kafka_address is not None:
        wait(whole(servers.database, servers.kafka), "comparing the book with Kafka")


def ask_in_zone(servers: Servers, question: Callable[[Any], Awaitable[T]]) -> tuple[T, ZoneInfo]:
    """Do as `ask`, and return the business zone too, in which people read instants."""

    async def both(connection: Any) -> tuple[T, ZoneInfo]:
        return await question(connection), await zone_of(connection, servers.settings)

    return ask(servers, both)


def business_zone(servers: Servers) -> ZoneInfo:
    """Return the fleet's business zone; before it is set up, the one of the settings."""
    return ask(servers, lambda connection: zone_of(connection, servers.settings))


async def zone_of(connection: Any, settings: Settings) -> ZoneInfo:
    """Return the business zone of a book; that of the settings where it has none yet, or hides it
    from this login."""
    from asyncpg import InsufficientPrivilegeError

    from shared.ledger.postgres import reports

    try:
        name = await reports.zone(connection)
    except InsufficientPrivilegeError:  # a login that may only read schema report
        name = None
    return ZoneInfo(name) if name else settings.zone


def data_option(command: F) -> F:
    """Give a command the option --data, as the argument `data`."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="The folder of a fleet started with `up --data DIR` "
        "(else ROLLFORWARD_DATA, else the two server settings).",
    )(command)


def json_option(command: F) -> F:
    """Give a command the option --json, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for a program.")(
        command
    )
