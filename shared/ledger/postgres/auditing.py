"""Every line of the book, read once and in order: for the audit and for exports."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg

from shared.ledger.audit import Audit, Fault
from shared.ledger.line import Line
from shared.ledger.postgres import reports
from shared.ledger.postgres.statements import sql

FETCH_ROWS = 5000
LINE_WIDTH = len(Line._fields)


async def audit(
    connection: asyncpg.Connection, progress: Callable[[int], None]
) -> tuple[int, int, Fault | None]:
    """Recompute every line; return how many lines and customers were read and the first fault.

    Memory is bounded by one customer's periods. All is read as of one instant, so that lines
    that are being appended meanwhile do not look broken. `progress` is told the lines read.
    """
    lines = customers = 0
    current, auditor = None, None
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        policies = await reports.policies(connection)
        async for rows in pages(connection, sql("ledger_lines")):
            for row in rows:
                line = Line(*row[:LINE_WIDTH])
                if line.customer_id != current:
                    if auditor is not None and (fault := auditor.end()) is not None:
                        return lines, customers, fault
                    current, customers = line.customer_id, customers + 1
                    auditor = Audit(policies, row["bill_from"], row["opening_due"])
                assert auditor is not None
                if (fault := auditor.fault(line)) is not None:
                    return lines, customers, fault
                lines += 1
            progress(lines)
        return lines, customers, auditor.end() if auditor is not None else None


async def pages(
    connection: asyncpg.Connection, query: str, rows: int = FETCH_ROWS
) -> AsyncIterator[list[Any]]:
    """Yield the rows of a query page by page, inside the transaction that is open."""
    cursor = await connection.cursor(query.rstrip().rstrip(";"))
    while page := await cursor.fetch(rows):
        yield page


async def copy_csv(connection: asyncpg.Connection, write: Callable[[bytes], Any]) -> None:
    """Stream the ledger as CSV with a head line; `write` gets the bytes as they come."""

    async def output(data: bytes) -> None:
        write(data)

    await connection.copy_from_query(sql("ledger"), output=output, format="csv", header=True)
