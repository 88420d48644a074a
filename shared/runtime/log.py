"""Logs: one JSON object a line on stderr, so that a machine can read what a person can."""

import contextlib
import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from shared.runtime.rotation import open_log, rotate

LIBRARIES = ("aiokafka", "faust", "mode", "kafka")
REPEAT_SECONDS = 10.0
SAID_MAX = 1000


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class _Settling(logging.Filter):
    """Drops what a consumer says while the broker is still choosing a coordinator."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "GroupCoordinatorNotAvailable" not in record.getMessage()


class _Repeated(logging.Filter):
    """Lets a library say the same thing once in ten seconds: while the broker is away, its client
    would say it a hundred times a second, and fill a disk in the night."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(LIBRARIES):
            return True
        words, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._said.get(words, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._said) >= SAID_MAX:
            self._said.clear()
        self._said[words] = now
        return True


class _Bounded(logging.StreamHandler[TextIO]):
    """Writes to stderr, which is the file `log`; begins a new one when it has reached its bound.

    Standard output and error themselves are pointed at the file, so that what else is written,
    the interpreter's last words among it, is found there too.
    """

    def __init__(self, log: Path, bytes_max: int) -> None:
        super().__init__(sys.stderr)
        self._log, self._bytes_max = log, bytes_max
        self._open()

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if os.fstat(2).st_size >= self._bytes_max:
            with contextlib.suppress(OSError):  # a full disk: on in the file that is open
                rotate(self._log, self._bytes_max)
                self._open()

    def _open(self) -> None:
        descriptor = open_log(self._log)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)


def set_up(level: str, log: Path | None = None, bytes_max: int = 0) -> None:
    """Send every log record to stderr; the libraries' chatter only from warnings on.

    With `log`, standard output and error go to that file; at `bytes_max` a new one is begun.
    """
    handler = logging.StreamHandler(sys.stderr) if log is None else _Bounded(log, bytes_max)
    handler.setFormatter(_Json())
    handler.addFilter(_Settling())
    handler.addFilter(_Repeated())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
