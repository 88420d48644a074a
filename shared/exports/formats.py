"""The formats of `export` by name. A format's library is imported only when it is asked for."""

from collections.abc import Awaitable, Callable
from typing import IO

import asyncpg

from shared.operator.tampered import Tampered

Write = Callable[[asyncpg.Connection, IO[bytes]], Awaitable[None]]


async def write_ledger(kind: str, connection: asyncpg.Connection, file: IO[bytes]) -> None:
    """Write the whole ledger as `hledger`, `csv`, `parquet` or `audit`, as of one instant.

    Raises `Tampered`, which names the line, where a line cannot be written in that format.
    """
    try:
        await _writer(kind)(connection, file)
    except asyncpg.DataError as error:  # an amount too large to add up, for instance
        raise Tampered("a line of the ledger", error) from error


def _writer(kind: str) -> Write:
    if kind in ("csv", "audit"):
        from shared.ledger.postgres.auditing import copy_csv

        return lambda connection, file: copy_csv(connection, file.write, kind)
    if kind == "hledger":
        from shared.exports.hledger import write_journal

        return lambda connection, file: write_journal(connection, file.write)
    from shared.exports.parquet import write_parquet

    return write_parquet
