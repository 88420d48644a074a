"""Files that commands write: complete, or not there at all."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

OUTPUT = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Lend a file for writing that gets its name only when the block ends without an error; `-` is
    stdout.

    After an error the file is as it was before, or missing. A pipe or device is written directly.
    """
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with fresh.open("xb") as file:
            if target.exists():
                os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
