"""Every line of the book, read once and in order: for exports."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg

from shared.ledger.postgres.statements import sql

FETCH_ROWS = 5000


async def pages(
    connection: asyncpg.Connection, query: str, rows: int = FETCH_ROWS
) -> AsyncIterator[list[Any]]:
    """Yield the rows of a query page by page, inside the transaction that is open."""
    cursor = await connection.cursor(query.rstrip().rstrip(";"))
    while page := await cursor.fetch(rows):
        yield page


async def copy_csv(
    connection: asyncpg.Connection, write: Callable[[bytes], Any], kind: str = "csv"
) -> None:
    """Stream the ledger as CSV with a head line; `write` gets the bytes as they come.

    `csv` is what report.ledger shows, safe to open in a spreadsheet; `audit` each field as the
    hash of its line covers it.
    """

    async def output(data: bytes) -> None:
        write(data)

    query = sql("ledger_in_sheets") if kind == "csv" else sql("ledger_hashed")
    await connection.copy_from_query(query, output=output, format="csv", header=True)
