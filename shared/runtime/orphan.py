"""Ends a process when its parent ends, so that no worker outlives a fleet that was killed."""

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(number: signal.Signals) -> None:
    """Ask the kernel, where it can, to send this process a signal when its parent ends."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def end_with_supervisor(supervisor: int | None) -> None:
    """Exit this process when the process `supervisor` ends. Called first by a worker.

    Nothing is lost: what is not committed is read again. A worker that was started by hand has no
    supervisor (None), and this does nothing.
    """
    if supervisor is None:
        return

    def watch() -> None:
        while os.getppid() == supervisor:
            time.sleep(0.5)
        os._exit(1)

    die_with_parent(signal.SIGKILL)
    # Some kernels send no such signal, and the supervisor may have ended before we asked for it.
    threading.Thread(target=watch, name="supervisor watch", daemon=True).start()
