"""Whether work costs more on an old book: the same measurements at one age of its customers."""

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from benches.events import LAST, customer_id
from benches.fleet import bring_up_to_date, empty_fleet, fill
from benches.history import Shape
from benches.measuring import Figures, payments_seconds, run_seconds
from shared.ledger.explain import Accepted
from shared.ledger.explain import explain as explained
from shared.ledger.postgres import notices, reports
from shared.schemas.inbound import command_of

WARM_UP = 20
ASKED_MAX = 500
"""Number of customers whose answers are timed."""
NOTICE_CUSTOMERS = 100
"""Number of customers in a batch of the notifier."""


async def aged(customers: int, count: int, shape: Shape, copies: int) -> Figures:
    """Measure queries while no worker runs, then payments for the last period, then a bill run."""
    workers = {"coordinator": 1, "generator": copies, "collector": copies}
    async with empty_fleet(workers) as (fleet, connection):
        names = list(fleet.pids)
        collectors = [name for name in names if name.startswith("collector")]
        await fill(fleet, connection, customers, shape)
        asked = await _questions(connection, fleet.settings.zone, customers)
        await bring_up_to_date(fleet, connection)
        measured, seconds = await payments_seconds(fleet, connection, customers, count, collectors)
        for name in collectors:
            await fleet.stop_worker(name)
        for name in set(names) - {*fleet.pids, *collectors}:
            await fleet.start_worker(name)
        lines = (await reports.counts(connection))["lines"]
        run = await run_seconds(fleet, connection)
        billed = (await reports.counts(connection))["lines"] - lines
        return {
            "bench": "aged",
            "periods": shape.periods,
            "customers": customers,
            "lines": lines,
            "run_per_second": round(billed / run),
            "payments_per_second": round(measured / seconds) if measured else None,
            **asked,
            "workers": workers,
        }


async def _questions(connection: asyncpg.Connection, zone: ZoneInfo, customers: int) -> Figures:
    """Return medians: one customer's statement, the explanation of their last period, and what the
    notifier reads of a batch; the work in Python is part of each."""

    async def statement(customer: str) -> Any:
        await reports.customer(connection, customer)
        return await reports.statement(connection, customer)

    async def explain(customer: str) -> Any:
        lines = await reports.lines_of(connection, customer)
        accepted = [
            Accepted(command_of(kind, content, zone), at)  # type: ignore[arg-type]
            for kind, content, at in await reports.accepted_of(connection, customer)
        ]
        return explained(lines, accepted, await reports.policies(connection), LAST)

    async def notice(first: str) -> Any:
        at = int(first.removeprefix("c-"))
        asked = [customer_id((at + step) % customers) for step in range(NOTICE_CUSTOMERS)]
        return await notices.facts(connection, asked)

    return {
        "statement_ms": await _median_ms(statement, customers),
        "explain_ms": await _median_ms(explain, customers),
        "notice_ms": await _median_ms(notice, customers),
    }


async def _median_ms(question: Callable[[str], Awaitable[Any]], customers: int) -> float:
    """Ask for customers spread over the book; return the median in milliseconds."""
    step = max(1, customers // (ASKED_MAX + WARM_UP))
    times = []
    for at in range(ASKED_MAX + WARM_UP):
        customer = customer_id(at * step % customers)
        began = time.perf_counter()
        found = await question(customer)
        times.append(time.perf_counter() - began)
        assert found, f"the book has nothing of {customer}"
    return round(statistics.median(times[WARM_UP:]) * 1000, 3)
