"""Exit codes (docs/commands.md), and expected errors as one line on stderr without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from shared.runtime.settings import SettingsError

DONE, WRONG, USAGE, UNREACHABLE = 0, 1, 2, 3


class Problem(click.ClickException):
    """Something is wrong with the data, or a check failed."""

    exit_code = WRONG

    def show(self, file: object = None) -> None:
        click.echo(f"rollforward: {self.format_message()}", err=True)


class Misconfigured(Problem):
    """Wrong usage or configuration."""

    exit_code = USAGE


class Away(Problem):
    """A server cannot be reached."""

    exit_code = UNREACHABLE


def unknown(customer: str, parked: int) -> Problem:
    """Return the problem that a customer has not signed up; `parked` commands of theirs wait."""
    words = f"customer {customer} is not known"
    if parked:
        waits = "command of theirs waits" if parked == 1 else "commands of theirs wait"
        words += f"; {parked} {waits} for a signup: `rollforward parked {customer}`"
    return Problem(words)


@contextmanager
def explained() -> Iterator[None]:
    """Turn an expected error into a `Problem` with its exit code; a bug keeps its traceback."""
    try:
        yield
    except SettingsError as error:
        raise Misconfigured(str(error)) from error
    except Exception as error:
        if isinstance(error, BrokenPipeError | click.ClickException):
            raise
        problem = _problem(error)
        if problem is None:
            raise
        raise problem from error


def _problem(error: Exception) -> Problem | None:
    # By name, so that a command that needs no server imports no client library.
    kind = KINDS.get(f"{type(error).__module__}.{type(error).__qualname__}")
    if kind is not None:
        return kind(str(error))
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in CLIENTS:
        from shared.runtime import trouble

        code = trouble.exit_code(error)
        if code is not None:
            return BY_CODE[code](f"a server {SERVER[code]}: {trouble.described(error)}")
    if isinstance(error, OSError):  # a file, a port, a full disk: not a bug
        where = f"{error.filename}: " if error.filename else ""
        return Misconfigured(f"{where}{error.strerror or error}")
    return None


CLIENTS = ("asyncpg", "aiokafka")
BY_CODE: dict[int, type[Problem]] = {USAGE: Misconfigured, UNREACHABLE: Away}
SERVER = {USAGE: "does not allow this", UNREACHABLE: "cannot be reached"}
KINDS: dict[str, type[Problem]] = {
    "shared.ledger.postgres.migrate.Busy": Problem,
    "shared.operator.servers.Unreachable": Away,
    "shared.operator.tampered.Tampered": Problem,
    "shared.runtime.connecting.NotLetIn": Away,
    "shared.operator.settle.NotSettled": Problem,
    "shared.operator.settle.StandsStill": Problem,
    "shared.operator.restored.BookBehind": Problem,
    "shared.kafka.broker.WrongTopics": Misconfigured,
    "shared.embedded.folder.DirectoryInUse": Misconfigured,
    "shared.embedded.jars.JarsMissing": Misconfigured,
    "shared.embedded.process.ServerFailed": Away,
}
