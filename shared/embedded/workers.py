"""A worker process of a fleet, restarted whenever it ends."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence

from shared.embedded.process import cancel, end, longer, spawn
from shared.runtime import trouble
from shared.runtime.settings import Settings, inherited_environment

STOP_SECONDS = 10.0
CALM_SECONDS = 30.0
"""A worker that ran this long did not crash at its start, so it is restarted at once."""

log = logging.getLogger(__name__)


class Worker:
    """One process, kept running from `begin` to `stop`.

    `command` is called before each start and returns what to execute; `started` is called after
    each start. The settings hold the port for metrics and the log file.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[], Sequence[str]],
        settings: Settings,
        started: Callable[[], None],
    ) -> None:
        self.name = name
        self.port = settings.metrics_port
        self._command = command
        self._settings = settings
        self._started = started
        self.process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        if self.process is None or self.process.returncode is not None:
            return None
        return self.process.pid

    def begin(self) -> None:
        """Start the process, and again whenever it ends."""
        assert self._keeper is None, f"worker {self.name} runs"
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Stop the process cleanly; it stays down until `begin`."""
        if self._keeper is not None:
            await cancel(self._keeper)
            self._keeper = None
        if self.process is not None:
            await end(self.process, signal.SIGTERM, STOP_SECONDS)
            self.process = None

    def kill(self) -> int:
        """Kill -9 the process, which is started again. Return its process id."""
        pid = self.pid
        assert pid is not None, f"worker {self.name} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid

    async def _keep(self) -> None:
        """Restart the process for ever: at once after a long run, with pauses after quick
        crashes."""
        assert self._settings.log_file is not None
        environment = inherited_environment(**self._settings.environment())
        pause = 0.0
        while True:
            begun = time.monotonic()
            try:
                self.process = await spawn(
                    self._command(),
                    log=self._settings.log_file,
                    log_bytes=self._settings.log_bytes,
                    environment=environment,
                )
            except OSError as error:
                ending = trouble.words(error)
            else:
                with contextlib.suppress(OSError):  # a full disk must not end this loop
                    self._started()
                ending = f"code {await self.process.wait()}"
            calm = time.monotonic() - begun > CALM_SECONDS
            pause = 0.0 if calm else longer(pause)
            log.warning(
                "worker %s ended (%s) and is started again in %.1f s", self.name, ending, pause
            )
            await asyncio.sleep(pause)
