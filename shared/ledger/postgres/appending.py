"""Appends few rows with one statement, or together with the last statement of a batch.

Each statement costs a round trip, and each INSERT into the ledger also a check of the chain. So a
command's lines are inserted together, and a small batch inserts its rows in the statement that
moves the consumer's position.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

_types: dict[tuple[str, ...], Sequence[str]] = {}
"""(table, column, ...) -> the types of these columns; read once per process."""


class Rows(NamedTuple):
    """At least one row for a table of the book, with the columns and their types."""

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
        """The values, one tuple per column."""
        return list(zip(*self.rows, strict=True))


class Last:
    """Rows that the last statement of a batch, which moves the positions, will append."""

    def __init__(self) -> None:
        self.left: list[Rows] = []

    def also(self, statement: str, parameters: Sequence[Any]) -> tuple[str, list[Any]]:
        """Return the statement and its parameters, extended so that it appends these rows too."""
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
    """Return the rows with their columns' types, which are read from the database once."""
    key = (table, *columns)
    if key not in _types:
        seen = await connection.prepare(f"SELECT {', '.join(columns)} FROM book.{table} LIMIT 0")
        _types[key] = [each.type.name for each in seen.get_attributes()]
    return Rows(table, columns, _types[key], rows)
