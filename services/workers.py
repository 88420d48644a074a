"""Every kind of worker: its name, the command that runs it, and its parts.

The only place that turns a worker's name into a module. To add a worker, write
`services/NAME/worker.py` with a function `parts` and add the name here.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.runtime.context import Context, Part

WORKERS = ("coordinator", "generator", "collector", "notifier", "relay")


def parts_of(context: "Context") -> "list[Part]":
    """Return the parts of a worker, as `services.NAME.worker` makes them."""
    made: list[Part] = import_module(f"services.{context.name}.worker").parts(context)
    return made


def worker_command(name: str) -> Sequence[str]:
    """Return the command that runs a worker of this kind with this installation's Python."""
    return (sys.executable, "-m", "services.console", "worker", name)
