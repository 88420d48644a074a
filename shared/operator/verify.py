"""`verify` on all cores: processes check ranges of customers in one snapshot of the book."""

import asyncio
import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import asyncpg

from shared.ledger.audit.fault import Fault
from shared.ledger.audit.seal import Seal
from shared.ledger.postgres.papers_verified import series_fault
from shared.ledger.postgres.sealing import broken_seal
from shared.ledger.postgres.verifying import (
    Checked,
    Ground,
    Range,
    check,
    cut,
    export_snapshot,
    ground,
    join_snapshot,
    references_fault,
    stuck_fault,
)
from shared.operator.servers import not_connected
from shared.runtime.connecting import NotLetIn, connect
from shared.schemas.inbound import command_of

PROCESSES_MAX = 8


class Verified(NamedTuple):
    """How many lines and customers are right up to the first fault, and that fault. `seal` says
    what is wrong with the seals; they are checked only where no line is broken, or where a seal
    kept elsewhere was given."""

    lines: int
    customers: int
    fault: Fault | None
    seal: str | None = None


async def verify(
    connection: asyncpg.Connection,
    url: str,
    progress: Callable[[int, int], None],
    kept: Seal | None = None,
    heads: Callable[[bytes], object] | None = None,
) -> Verified:
    """Recompute every line as of one instant; `progress` is called with (lines done, lines in all).

    Other processes connect to `url` and see the snapshot of `connection`. `kept` is a seal that
    was kept elsewhere; `heads` receives the listing that it seals, as the book has it now.
    """
    verified = await _lines(connection, url, progress)
    if verified.fault is not None and kept is None:
        return verified
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return verified._replace(seal=await broken_seal(connection, kept, heads))


async def _lines(
    connection: asyncpg.Connection, url: str, progress: Callable[[int, int], None]
) -> Verified:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        common = await ground(connection, command_of)
        if common.fault is not None:
            return Verified(0, 0, common.fault)
        total, ranges = await cut(connection)
        if len(ranges) == 1:
            verified = Verified(*await check(connection, common, ranges[0], command_of))
        else:
            snapshot = await export_snapshot(connection)
            verified = await asyncio.to_thread(_all, url, snapshot, ranges, total, progress)
        if verified.fault is None:
            fault = (
                await references_fault(connection)
                or await stuck_fault(connection)
                or await series_fault(connection)
            )
            verified = verified._replace(fault=fault)
        return verified


def _all(
    url: str, snapshot: str, ranges: list[Range], total: int, progress: Callable[[int, int], None]
) -> Verified:
    lines = customers = 0
    for checked in _shared_out(url, snapshot, ranges):
        lines, customers = lines + checked.lines, customers + checked.customers
        progress(lines, total)
        if checked.fault is not None:
            return Verified(lines, customers, checked.fault)
    return Verified(lines, customers, None)


def _shared_out(url: str, snapshot: str, ranges: list[Range]) -> Iterator[Checked]:
    """Check the ranges in processes of their own; yield the results in order."""
    context = multiprocessing.get_context("spawn")
    count = min(os.cpu_count() or 1, len(ranges), PROCESSES_MAX)
    with ProcessPoolExecutor(count, context, _begin, (url, snapshot)) as pool:
        try:
            yield from pool.map(_check, ranges)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


# In a process of its own --------------------------------------------------------------------


class _Here:
    """What one process reuses from range to range."""

    runner: asyncio.Runner
    missing: Exception | None = None
    connection: asyncpg.Connection
    ground: Ground


def _begin(url: str, snapshot: str) -> None:
    gc.disable()  # there are no reference cycles here, but millions of tuples
    _Here.runner = asyncio.Runner()
    try:
        _Here.runner.run(_connect(url, snapshot))
    except (OSError, NotLetIn, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Raised by the first piece of work: an error here would only show up as a broken process.
        _Here.missing = not_connected(url, error)


async def _connect(url: str, snapshot: str) -> None:
    _Here.connection = await connect(url, "verify", {"jit": "off"})
    await join_snapshot(_Here.connection, snapshot)
    _Here.ground = await ground(_Here.connection, command_of)


def _check(span: Range) -> Checked:
    if _Here.missing is not None:
        raise _Here.missing
    return _Here.runner.run(check(_Here.connection, _Here.ground, span, command_of))
