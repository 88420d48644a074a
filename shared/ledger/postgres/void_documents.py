"""Enters numbers as void that were given out before the book was restored."""

from collections.abc import Sequence

import asyncpg

from shared.ledger.numbers import Number
from shared.ledger.postgres.locks import lock_document
from shared.ledger.postgres.statements import sql


class Taken(ValueError):
    """A number belongs to a line of this book, so nobody has it from before the restore."""


async def enter_void(connection: asyncpg.Connection, numbers: Sequence[Number]) -> list[Number]:
    """Enter numbers as void in the caller's transaction, and every number of their series before
    them that is not there: a series has no gap, so those were given out too. Return what was
    entered; numbers that are void already are left. Raises Taken."""
    await lock_document(connection)
    columns = [[each[at] for each in numbers] for at in range(3)]
    if taken := await connection.fetch(sql("documents_of_lines"), *columns):
        first = min(Number(*row) for row in taken)
        raise Taken(f"{first} belongs to a line of this book, so it was not given out since")
    last = {(row[0], row[1]): row[2] for row in await connection.fetch(sql("last_documents"))}
    entered: list[Number] = []
    for kind, year, number, prefix in sorted(numbers):
        starts = last.get((kind, year), 0) + 1
        if number >= starts:
            await connection.execute(sql("add_voids"), kind, year, starts, number, prefix)
            entered += [Number(kind, year, each, prefix) for each in range(starts, number + 1)]
            last[kind, year] = number
    return entered
