"""Log files of bounded size: `x.log`, and before it `x.log.1` to `x.log.4`, the oldest last.

Only the process that writes a file rotates it, so that no line is lost whatever is killed: a worker
between two records, the broker by log4j, PostgreSQL by its logging collector. The supervisor
rotates before it starts a process.
"""

import os
from pathlib import Path

FILES = 5
"""How many files a log has at most, including the one that is written to."""


def rotate(log: Path, bytes_max: int) -> None:
    """Rename a log that has reached `bytes_max` to `.1`, `.1` to `.2` ...; drop the oldest."""
    try:
        if log.stat().st_size < bytes_max:
            return
    except FileNotFoundError:
        return
    for number in reversed(range(1, FILES)):
        before = log if number == 1 else _numbered(log, number - 1)
        if before.exists():
            before.replace(_numbered(log, number))


def open_log(log: Path) -> int:
    """Return a file descriptor that appends to a log which only its owner may read."""
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def keep_newest(logs: list[Path]) -> None:
    """Remove all but the newest `FILES` logs; their names sort by age."""
    for log in sorted(logs)[:-FILES]:
        log.unlink(missing_ok=True)


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
