"""The supervisor of a chaos run, a process of its own, so that it can be killed like any other.

    python -m tests.faults.chaos_fleet FOLDER

What `rollforward up` does, with two workers of each kind, each as `chaos_worker` runs it.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from services.workers import WORKERS
from shared.embedded.fleet import Fleet, run_until_interrupted
from shared.embedded.preparing import prepare
from shared.runtime.settings import Settings

COPIES = 2


def worker(folder: Path, kind: str) -> Sequence[str]:
    """Return the command that runs a worker of a chaos run."""
    return sys.executable, "-m", "tests.faults.chaos_worker", str(folder), kind


def main() -> None:
    folder, settings = Path(sys.argv[1]), Settings.from_environment()
    fleet = Fleet(
        folder / "fleet",
        dict.fromkeys(WORKERS, COPIES),
        prepare=prepare(settings),
        settings=settings,
        command=lambda kind: worker(folder, kind),
    )
    asyncio.run(run_until_interrupted(fleet, lambda line: print(line, flush=True)))


if __name__ == "__main__":
    main()
