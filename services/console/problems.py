"""Exit codes (contract §8) and how trouble is told: one clear line on stderr, no traceback."""

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


@contextmanager
def spoken() -> Iterator[None]:
    """Turn what has an explanation into the problem with its exit code; a bug stays a bug."""
    try:
        yield
    except SettingsError as error:
        raise Misconfigured(str(error)) from error
    except Exception as error:
        kind = _kind(error)
        if kind is None:
            raise
        raise kind(str(error)) from error


def _kind(error: Exception) -> type[Problem] | None:
    # By name, so that a command that needs no server loads no server's client.
    return KINDS.get(f"{type(error).__module__}.{type(error).__qualname__}")


KINDS: dict[str, type[Problem]] = {
    "shared.runtime.servers.Unreachable": Away,
    "shared.runtime.settle.NotSettled": Problem,
    "shared.runtime.settle.StandsStill": Problem,
    "shared.runtime.restored.BookBehind": Problem,
    "shared.runtime.broker.WrongTopics": Misconfigured,
    "shared.runtime.embedded.folder.DirectoryInUse": Misconfigured,
    "shared.runtime.embedded.jars.JarsMissing": Misconfigured,
    "shared.runtime.embedded.process.ServerFailed": Away,
}
