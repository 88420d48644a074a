"""Every line of the book, read once and in order: for exports."""

from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import asyncpg

from shared.ledger.line import Line
from shared.ledger.postgres.statements import sql

FETCH_ROWS = 5000
LINE_WIDTH = len(Line._fields)


class Journalled(NamedTuple):
    """A line with what a journal wants besides: its customer's due on joining (minor units), and
    the method and id of the payment that a payment or refund names."""

    line: Line
    opening_due: int | None
    method: str | None
    payment_id: str | None


async def ledger_pages(connection: asyncpg.Connection, rows: int) -> AsyncIterator[list[Any]]:
    """Yield the rows of report.ledger, the hash in hex, by customer and seq."""
    async for page in _pages(connection, sql("ledger"), rows):
        yield page


async def journal_pages(connection: asyncpg.Connection) -> AsyncIterator[list[Journalled]]:
    """Yield every line of the book for the journal, customer by customer in the order of seq."""
    async for page in _pages(connection, sql("ledger_journal"), FETCH_ROWS):
        yield [Journalled(Line(*row[:LINE_WIDTH]), *row[LINE_WIDTH:]) for row in page]


async def _pages(connection: asyncpg.Connection, query: str, rows: int) -> AsyncIterator[list[Any]]:
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
