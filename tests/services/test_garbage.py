"""A worker sets aside what its start made, and still frees the cycles that it makes later."""

import json
import subprocess
import sys

from services.workers import WORKERS
from shared.runtime.garbage import YOUNG_OBJECTS_MAX

WORKER = """
import asyncio, gc, json, sys
from shared.runtime import worker
from shared.runtime.settings import Settings

class Node:
    alive = 0
    def __init__(self):
        self.itself = self
        Node.alive += 1
    def __del__(self):
        Node.alive -= 1

class Part:
    async def run(self):
        frozen, threshold, alive_max = gc.get_freeze_count(), gc.get_threshold()[0], 0
        for _ in range(3 * threshold):
            Node()
            alive_max = max(alive_max, Node.alive)
        print(json.dumps({"frozen": frozen, "threshold": threshold, "alive_max": alive_max}))
    def stop(self):
        pass

async def fit(*_):
    return None

worker.unfit = fit
settings = Settings(kafka="nowhere:1", database_url="postgresql://nowhere/book")
asyncio.run(worker.work(sys.argv[1], settings, lambda context: [Part()]))
"""


def test_a_worker_searches_seldom_for_garbage_and_never_through_what_its_start_made() -> None:
    told = subprocess.run(
        [sys.executable, "-c", WORKER, WORKERS[0]], capture_output=True, check=True, text=True
    )
    seen = json.loads(told.stdout)
    assert seen["frozen"] > 10_000, "its modules and all that they hold"
    assert seen["threshold"] == YOUNG_OBJECTS_MAX
    assert seen["alive_max"] <= 2 * YOUNG_OBJECTS_MAX, "cycles are freed all the same"
