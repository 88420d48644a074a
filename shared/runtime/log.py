"""Logs: one JSON object a line on stderr, for people and programs."""

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
REMEMBERED_MAX = 1000


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
    """Drops a consumer's errors while the broker still chooses a group coordinator."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "GroupCoordinatorNotAvailable" not in record.getMessage()


class _Repeated(logging.Filter):
    """Lets a library log the same message once in ten seconds: while the broker is away, its client
    logs it a hundred times a second, and would fill a disk in a night."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(LIBRARIES):
            return True
        words, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._logged_at.get(words, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._logged_at) >= REMEMBERED_MAX:
            self._logged_at.clear()
        self._logged_at[words] = now
        return True


class _Bounded(logging.StreamHandler[TextIO]):
    """Writes to the file `log`, and begins a new one when it has reached its size limit.

    Standard output and standard error are redirected to the file, so that it also gets what
    libraries and the interpreter itself print, a fatal error for example.
    """

    def __init__(self, log: Path, bytes_max: int) -> None:
        super().__init__(sys.stderr)
        self._log, self._bytes_max = log, bytes_max
        self._open()

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if os.fstat(2).st_size >= self._bytes_max:
            with contextlib.suppress(OSError):  # a full disk: continue in the open file
                rotate(self._log, self._bytes_max)
                self._open()

    def _open(self) -> None:
        descriptor = open_log(self._log)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)


def set_up(level: str, log: Path | None = None, bytes_max: int = 0) -> None:
    """Send every log record to stderr; of libraries only warnings and errors.

    With `log`, standard output and error go to that file; at `bytes_max` a new one is begun.
    """
    handler = logging.StreamHandler(sys.stderr) if log is None else _Bounded(log, bytes_max)
    handler.setFormatter(_Json())
    handler.addFilter(_Settling())
    handler.addFilter(_Repeated())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
