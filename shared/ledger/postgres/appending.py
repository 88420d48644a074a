"""Few rows appended by one statement, and rows that a batch leaves to its last statement.

A statement costs a round trip and, into the ledger, a check of the chain. So the lines of a command
go together, and those of a small batch with the move of the consumer's position.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

_types: dict[tuple[str, ...], Sequence[str]] = {}
"""The types of a table's columns, by table and columns: read once a process."""


class Rows(NamedTuple):
    """Rows for a table of the book, at least one, and the types of these columns."""

    table: str
    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def statement(self, first: int = 1) -> str:
        """Return the statement that appends the rows; its parameters begin at `$first`."""
        places = ", ".join(f"${first + at}::{each}[]" for at, each in enumerate(self.types))
        return (
            f"INSERT INTO book.{self.table} ({', '.join(self.columns)})"
            f" SELECT * FROM unnest({places})"
        )

    @property
    def parameters(self) -> list[tuple[Any, ...]]:
        """The values column by column."""
        return list(zip(*self.rows, strict=True))


class Last:
    """What a batch leaves to its last statement, which moves the positions: rows not saved yet."""

    def __init__(self) -> None:
        self.left: list[Rows] = []

    def also(self, statement: str, parameters: Sequence[Any]) -> tuple[str, list[Any]]:
        """Return a statement and its parameters with the rows that were left appended by it."""
        asked, inserts = list(parameters), []
        for at, rows in enumerate(self.left):
            inserts.append(f"left_{at} AS ({rows.statement(len(asked) + 1)})")
            asked += rows.parameters
        if not inserts:
            return statement, asked
        return f"WITH {', '.join(inserts)}\n{statement}", asked


async def typed(
    connection: asyncpg.Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> Rows:
    """Return rows with the types of their columns, which are asked of the book the first time."""
    key = (table, *columns)
    if key not in _types:
        seen = await connection.prepare(f"SELECT {', '.join(columns)} FROM book.{table} LIMIT 0")
        _types[key] = [each.type.name for each in seen.get_attributes()]
    return Rows(table, columns, _types[key], rows)
