"""Files that commands write: complete, or not there at all."""

import os
import secrets
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

STDOUT = ("-", "/dev/stdout")
OUTPUT = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Lend a file for writing that gets its name only when the block ends without an error; `-` is
    stdout.

    After an error, Ctrl-C, SIGTERM or SIGHUP the file is as it was before, or missing. A pipe or
    device is written directly. An OSError names `path`, not the file that is written meanwhile.
    """
    if str(path) in STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    fresh = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    _tidy_up_when_ended()
    try:
        with fresh.open("xb") as file:
            if target.exists():
                os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    except OSError as error:
        if error.filename != str(fresh):
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from None
    finally:
        fresh.unlink(missing_ok=True)


def _tidy_up_when_ended() -> None:
    """Let signals that end the process run what is in `finally`; one that is ignored, as by nohup,
    stays so."""
    if threading.current_thread() is threading.main_thread():  # signals are the main thread's
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _leave)


@contextmanager
def until_reader_leaves() -> Iterator[None]:
    """End with exit code 0 where whoever reads stdout, such as `head`, has had enough of it: they
    have what they wanted."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_left():
            raise
        # What is still to be written goes nowhere, or Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


@contextmanager
def until_interrupted() -> Iterator[None]:
    """End with exit code 130 and one line on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("rollforward: interrupted", err=True)
        raise SystemExit(128 + signal.SIGINT) from None


def _reader_left() -> bool:
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _leave(number: int, _frame: object) -> None:
    """End as the signal would, but tidy up on the way."""
    raise SystemExit(128 + number)
