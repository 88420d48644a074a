"""What a fleet at rest costs: processor time of its workers and of PostgreSQL, not of Kafka."""

import asyncio
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from benches.fleet import (
    ALL,
    PATIENCE_SECONDS,
    bring_up_to_date,
    empty_fleet,
    fill,
    processor_seconds,
)
from benches.history import Shape
from benches.measuring import Figures
from shared.embedded.fleet import Fleet
from shared.embedded.starting import get
from shared.ledger.postgres import reports
from shared.operator.printing import progress
from shared.operator.settle import settle

POSTGRES = "PostgreSQL"
CHECKED = "billing_reconciliation_last_success_timestamp_seconds "
"""The coordinator exports this metric after its first check of the whole book."""
CALM_SECONDS = 5.0
"""Time for work that a start or a run leaves behind."""
POLL_SECONDS = 0.5


async def idle(lines: int, shape: Shape, seconds: float) -> Figures:
    """Measure all workers without work, first on an empty book, then on one of so many lines."""
    async with empty_fleet(ALL) as (fleet, connection):
        await bring_up_to_date(fleet, connection)
        empty = await _at_rest(fleet, seconds)
        await fill(fleet, connection, shape.customers_for(lines), shape)
        await bring_up_to_date(fleet, connection)
        for name in ALL.keys() - fleet.pids.keys():
            await fleet.start_worker(name)
        full = await _at_rest(fleet, seconds)
        return {
            "bench": "idle",
            "lines": (await reports.counts(connection))["lines"],
            "cpu_percent": _total(full),
            "cpu_percent_empty": _total(empty),
            "by_process": _rounded(full),
            "by_process_empty": _rounded(empty),
            "seconds": seconds,
        }


async def _at_rest(fleet: Fleet, seconds: float) -> dict[str, float]:
    """Return the percentage of one core that each process and its children use, after the fleet
    has come to rest."""
    await settle(fleet.kafka, fleet.database_admin, timeout=PATIENCE_SECONDS)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await _has_checked(fleet.metrics["coordinator"]):
            await asyncio.sleep(POLL_SECONDS)
    await asyncio.sleep(CALM_SECONDS)
    processes = {POSTGRES: fleet.server_pids[POSTGRES]} | fleet.pids
    before, began = _worked(processes), time.perf_counter()
    await asyncio.sleep(seconds)
    after, passed = _worked(processes), time.perf_counter() - began
    percents = {name: 100 * (after[name] - before[name]) / passed for name in processes}
    progress(f"at rest: {_total(percents)} % of a core")
    return percents


async def _has_checked(metrics: str) -> bool:
    """Return whether the coordinator has checked the whole book, as it does at its start."""
    at = urlsplit(metrics)
    _, shown = await get(str(at.hostname), at.port or 0, at.path)
    return any(line.startswith(CHECKED) for line in shown.splitlines())


def _worked(processes: Mapping[str, int]) -> dict[str, float]:
    return {name: processor_seconds(pid) for name, pid in processes.items()}


def _total(percents: Mapping[str, float]) -> float:
    return round(sum(percents.values()), 1)


def _rounded(percents: Mapping[str, float]) -> dict[str, float]:
    return {name: round(percent, 1) for name, percent in percents.items()}
