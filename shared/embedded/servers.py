"""Restarts the embedded servers when they die, and deletes their oldest logs."""

import asyncio
import contextlib
import logging
import time

from shared.embedded.kafka import Kafka
from shared.embedded.postgres import Postgres
from shared.embedded.process import ServerFailed, longer
from shared.runtime import trouble

SERVER_SECONDS_MAX = 600.0
"""How long starts of a server that died are retried; a full disk needs a person."""
LOGS_SECONDS = 5.0

log = logging.getLogger(__name__)


async def keep_running(server: Kafka | Postgres) -> None:
    """Restart a server whenever it dies, at the same address, so that its clients reconnect.

    Never returns. Raises `ServerFailed` when it cannot be started again for `SERVER_SECONDS_MAX`,
    or when its port was taken meanwhile.
    """
    address = _address(server)
    while True:
        await server.ended()
        log.warning("%s ended and is started again", server.name)
        await _start_again(server)
        if _address(server) != address:
            raise ServerFailed(f"{server.name} ended, and its port was taken meanwhile")


def _address(server: Kafka | Postgres) -> str:
    return server.bootstrap if isinstance(server, Kafka) else server.admin_url


async def keep_logs(server: Postgres) -> None:
    """Delete the oldest logs of a server while it runs."""
    while True:
        await asyncio.sleep(LOGS_SECONDS)
        with contextlib.suppress(OSError):
            server.keep_logs()


async def _start_again(server: Kafka | Postgres) -> None:
    """Start a server that died; retry with growing pauses, because the cause may pass."""
    deadline, pause = time.monotonic() + SERVER_SECONDS_MAX, 0.0
    while True:
        try:
            return await server.start()
        except (ServerFailed, OSError) as error:
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{server.name} ended and cannot be started again: {trouble.words(error)}"
                ) from error
            pause = longer(pause)
            log.warning("%s is tried again in %.1f s: %s", server.name, pause, trouble.words(error))
        await asyncio.sleep(pause)
