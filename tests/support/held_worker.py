"""A worker whose batches wait, records in hand and nothing begun, while a file exists.

    python -m tests.support.held_worker FILE KIND [SESSION_MS]

So a test can stop a process at the moment when it will wake up as a zombie. With a session of its
own a test need not wait long for one to be over.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from services.workers import parts_of
from shared.kafka import clients
from shared.runtime.loop import Loop
from shared.runtime.settings import Settings
from shared.runtime.worker import run


def hold_batches(file: Path) -> None:
    """Let every batch wait while the file exists; a line in it for each that does."""
    batch = Loop._batch

    async def held(self: Loop, *arguments: Any) -> None:
        if file.exists():
            with file.open("a", encoding="utf-8") as told:
                told.write("held\n")
        while file.exists():
            await asyncio.sleep(0.01)
        await batch(self, *arguments)

    Loop._batch = held  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    hold_batches(Path(sys.argv[1]))
    if sys.argv[3:]:
        clients.SESSION_SECONDS = int(sys.argv[3]) // 1000
    run(sys.argv[2], Settings.from_environment(), parts_of)
