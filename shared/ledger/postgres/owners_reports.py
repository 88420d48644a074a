"""The reports for owners (docs/reports.md): rows of the views, with the columns of these."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import asyncpg

from shared.ledger.postgres.statements import sql


async def aging(connection: asyncpg.Connection) -> Sequence[Any]:
    """Return what each customer owes, by age."""
    return list(await connection.fetch(sql("report_aging")))


async def receipts(connection: asyncpg.Connection, since: date, before: date) -> Sequence[Any]:
    """Return what collectors took, as recorded on the days [since, before)."""
    return list(await connection.fetch(sql("report_receipts"), since, before))


async def sales(connection: asyncpg.Connection, month: str | None) -> Sequence[Any]:
    """Return documents and their sums by kind, of one month of issue (YYYY-MM) or of all."""
    return list(await connection.fetch(sql("report_sales"), month))


async def tax(connection: asyncpg.Connection, month: str | None) -> Sequence[Any]:
    """Return VAT by component, of one month of issue or of all."""
    return list(await connection.fetch(sql("report_tax"), month))


async def months(connection: asyncpg.Connection, month: str | None) -> Sequence[Any]:
    """Return what was billed and collected, and the due at the end, of one month or of all."""
    return list(await connection.fetch(sql("report_month"), month))
