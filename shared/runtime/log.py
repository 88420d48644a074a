"""Logs: one JSON object a line on stderr, so that a machine can read what a person can."""

import json
import logging
import sys
import time
from datetime import UTC, datetime

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


def set_up(level: str) -> None:
    """Send every log record to stderr; the libraries' chatter only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    handler.addFilter(_Settling())
    handler.addFilter(_Repeated())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
