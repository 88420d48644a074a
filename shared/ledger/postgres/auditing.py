"""Reads every line of the book once, in order, for exports."""

from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import asyncpg

from shared.ledger.line import Line
from shared.ledger.postgres.statements import sql

FETCH_ROWS = 5000
LINE_WIDTH = len(Line._fields)


class Journalled(NamedTuple):
    """A line with what a journal also needs: the customer's opening due (minor units), the method
    of a payment, and the payment id of a payment or refund."""

    line: Line
    opening_due: int | None
    method: str | None
    payment_id: str | None


async def ledger_pages(connection: asyncpg.Connection, rows: int) -> AsyncIterator[list[Any]]:
    """Yield the rows of report.ledger, the hash in hex, by customer and seq."""
    async for page in _pages(connection, sql("ledger"), rows):
        yield page


async def journal_pages(connection: asyncpg.Connection) -> AsyncIterator[list[Journalled]]:
    """Yield every line of the book for the journal, by customer and seq."""
    async for page in _pages(connection, sql("ledger_journal"), FETCH_ROWS):
        yield [Journalled(Line(*row[:LINE_WIDTH]), *row[LINE_WIDTH:]) for row in page]


async def _pages(connection: asyncpg.Connection, query: str, rows: int) -> AsyncIterator[list[Any]]:
    """Yield the rows of a query page by page, within the open transaction."""
    cursor = await connection.cursor(query.rstrip().rstrip(";"))
    while page := await cursor.fetch(rows):
        yield page


async def copy_csv(
    connection: asyncpg.Connection, write: Callable[[bytes], Any], kind: str = "csv"
) -> None:
    """Stream the ledger as CSV with a header line; `write` gets the bytes as they arrive.

    Kind `csv` has the values of report.ledger, safe to open in a spreadsheet; `audit` has each
    field in the form that the line's hash covers.
    """

    async def output(data: bytes) -> None:
        write(data)

    query = sql("ledger_in_sheets") if kind == "csv" else sql("ledger_hashed")
    await connection.copy_from_query(query, output=output, format="csv", header=True)
