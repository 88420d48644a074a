"""Whether a process that is not ready yet gets on: a busy machine is no reason to give it up."""

import contextlib
import time

import psutil

STEP_SECONDS = 0.1
"""So much more time of a processor than ever before is progress."""
STARTING_SECONDS_MAX = 600.0
"""A start that moves and moves and comes to no end is given up all the same."""


class Starting:
    """Watches one worker from its start: it moves while it works towards its first answer, and
    when /readyz says what it never said before.

    One that ends and is started again does the same work and says the same: that is no progress.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._said: set[str] = set()
        self._worked = 0.0

    def moves(self, answer: str, pid: int | None) -> bool:
        """Return whether there is news, given what /readyz answers now (empty: nothing)."""
        if time.monotonic() - self._begun > STARTING_SECONDS_MAX:
            return False
        if answer:
            new = answer not in self._said
            self._said.add(answer)
            return new
        worked = _worked(pid)
        if worked < self._worked + STEP_SECONDS:
            return False
        self._worked = worked
        return True


def _worked(pid: int | None) -> float:
    """Return the processor time of a process (seconds), 0 where it has ended."""
    if pid is not None:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            return float(times.user + times.system)
    return 0.0
