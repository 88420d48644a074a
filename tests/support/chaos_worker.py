"""A worker as it is in production, but for four things that a chaos run needs of it.

    python -m tests.support.chaos_worker FOLDER KIND

Its session is short, so that a run need not wait long for a zombie. Its wall clock says what
`FOLDER/clock` says. One batch waits, records in hand and nothing begun, while `FOLDER/hold-KIND`
exists. And where CHAOS_WITHOUT names a mechanism, that mechanism is missing.
"""

import asyncio
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from services.coordinator import runs
from services.generator import pages
from shared.runtime import loop
from shared.runtime.loop import Loop
from shared.runtime.orphan import end_with_supervisor
from shared.runtime.settings import Settings
from shared.runtime.worker import run
from tests.faults.without import take_from_worker

SESSION_MS = 4000
CLOCK_SECONDS = 0.5


def hasten() -> None:
    """Let sessions end and the clock look sooner than in production."""
    loop.SESSION_MS = SESSION_MS
    pages.SESSION_MS = SESSION_MS  # type: ignore[attr-defined]
    runs.CLOCK_SECONDS = CLOCK_SECONDS


def shift_clock(said: Path) -> None:
    """Let the coordinator's wall clock show the instant that a file says."""

    class Shown(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            zone = tz or ZoneInfo("UTC")
            return datetime.fromisoformat(said.read_text("utf-8")).astimezone(zone)

    runs.datetime = Shown  # type: ignore[attr-defined]


def hold_a_batch(folder: Path) -> None:
    """Let the first batch that finds `hold-KIND` wait until that file is gone; `held-KIND` then
    names this process and what it has in hand."""
    batch = Loop._batch

    async def held(self: Loop, connection: Any, batches: Any) -> None:
        hold, mine = folder / f"hold-{self.name}", folder / f"held-{self.name}"
        if hold.exists() and self.name != "coordinator":
            offsets = [(p.topic, p.partition, rows[0].offset) for p, rows in batches.items()]
            fresh = mine.with_name(f"{mine.name}.{os.getpid()}")
            fresh.write_text(json.dumps({"pid": os.getpid(), "offsets": offsets}), "utf-8")
            try:
                os.link(fresh, mine)
            except FileExistsError:
                pass
            else:
                while hold.exists():
                    await asyncio.sleep(0.01)
            fresh.unlink()
        await batch(self, connection, batches)

    Loop._batch = held  # type: ignore[method-assign]


def main() -> None:
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    settings = Settings.from_environment()
    end_with_supervisor(settings.supervisor)
    hasten()
    shift_clock(folder / "clock")
    hold_a_batch(folder)
    if missing := os.environ.get("CHAOS_WITHOUT"):
        take_from_worker(missing, settings)
    run(kind, settings)


if __name__ == "__main__":
    main()
