"""A worker as it is in production, but for five things that a chaos run needs of it.

    python -m tests.faults.chaos_worker FOLDER KIND

Its session is short, so that a run need not wait long for a zombie. Its wall clock says what
`FOLDER/clock` says. One batch waits, records in hand and nothing begun, while `FOLDER/hold-KIND`
exists. It kills itself at the step that `FOLDER/step-KIND` says. And where CHAOS_WITHOUT names a
mechanism, that mechanism is missing.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.coordinator import clock
from services.workers import parts_of
from shared.kafka import clients
from shared.runtime.loop import Loop
from shared.runtime.orphan import end_with_supervisor
from shared.runtime.settings import Settings
from shared.runtime.worker import run
from tests.faults.without import take_from_worker

SESSION_SECONDS = 4
CLOCK_SECONDS = 0.5
ASKS = {
    asyncpg.Connection: ("execute", "executemany", "fetch", "fetchrow", "fetchval",
                         "copy_records_to_table"),
    AIOKafkaConsumer: ("getmany", "commit"),
    AIOKafkaProducer: ("send", "flush"),
}  # fmt: skip
"""What a worker asks of PostgreSQL (BEGIN and COMMIT are executed too) and of Kafka."""


def hasten() -> None:
    """Let sessions end and the clock look sooner than in production."""
    clients.SESSION_SECONDS = SESSION_SECONDS
    clock.CLOCK_SECONDS = CLOCK_SECONDS


def shift_clock(said: Path) -> None:
    """Let the coordinator's wall clock show the instant that a file says."""

    class Shown(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            zone = tz or ZoneInfo("UTC")
            return datetime.fromisoformat(said.read_text("utf-8")).astimezone(zone)

    clock.datetime = Shown  # type: ignore[attr-defined]


def hold_a_batch(folder: Path) -> None:
    """Let the first batch that finds `hold-KIND` wait until that file is gone; `held-KIND` then
    names this process and what it has in hand."""
    batch = Loop._batch

    async def held(self: Loop, connection: Any, batches: Any, *more: Any) -> None:
        hold, mine = folder / f"hold-{self.name}", folder / f"held-{self.name}"
        if hold.exists():
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
        await batch(self, connection, batches, *more)

    Loop._batch = held  # type: ignore[assignment,method-assign]


class Steps:
    """Counts what this worker asks of others, once the file `said` is there and is its to take;
    at the step that it names the worker dies, before it or after it: nobody learns which."""

    def __init__(self, said: Path) -> None:
        self._said = said
        self._left = 0
        self._early = False

    def count(self) -> None:
        """Let every ask be a step."""
        for asked, names in ASKS.items():
            for name in names:
                setattr(asked, name, self._stepping(getattr(asked, name)))

    def _stepping(self, ask: Any) -> Any:
        async def step(*arguments: Any, **named: Any) -> Any:
            last = self._is_last()
            if last and self._early:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = await ask(*arguments, **named)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return step

    def _is_last(self) -> bool:
        if not self._left and self._said.exists():
            mine = self._said.with_name(f"{self._said.name}.{os.getpid()}")
            with contextlib.suppress(FileNotFoundError):
                self._said.rename(mine)
                order = json.loads(mine.read_text("utf-8"))
                self._left, self._early = order["at"] + 1, order["early"]
        self._left = max(0, self._left - 1)
        return self._left == 1


def main() -> None:
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    settings = Settings.from_environment()
    end_with_supervisor(settings.supervisor)
    hasten()
    shift_clock(folder / "clock")
    hold_a_batch(folder)
    Steps(folder / f"step-{kind}").count()
    if missing := os.environ.get("CHAOS_WITHOUT"):
        take_from_worker(missing, settings)
    run(kind, settings, parts_of)


if __name__ == "__main__":
    main()
