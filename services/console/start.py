"""Starts the command line so that Ctrl-C is quiet from the first moment: Python reads the modules
for a tenth of a second, and a traceback would be what it says about an interruption there."""

import os
import signal

INTERRUPTED = 128 + signal.SIGINT


def start() -> None:
    """Run the command that `sys.argv` names; end with exit code 130 where it was interrupted."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from services.console.main import main

    signal.signal(signal.SIGINT, before)
    main(prog_name="rollforward")


def _leave(_number: int, _frame: object) -> None:
    # No exception: the import that it would stop could turn it into another one.
    os._exit(INTERRUPTED)
