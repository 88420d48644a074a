"""What leaves the book: outgoing rows, and the relay's cursors over them and over lines.

Rows leave in (xid, position) order, those of transactions that no open one precedes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from shared.ledger.line import Line
from shared.ledger.postgres.save import insert
from shared.ledger.postgres.statements import sql

LINE, OUTGOING = "line", "outgoing"
"""The streams, each with a cursor."""
COLUMNS = ("topic", "key", "value", "headers")

Row = tuple[str, bytes | None, bytes | None, str]
"""(topic, key, value, headers); the headers as JSON, [[name, base64 of the bytes], ...]."""


class Place(NamedTuple):
    """A row's place in its stream."""

    xid: int
    position: int


class NextLine(NamedTuple):
    """A line to publish; `cursor` is the relay's place when it was read."""

    place: Place
    cursor: Place
    incarnation: int
    line: Line


class NextRow(NamedTuple):
    """An outgoing row to publish; `cursor` is the relay's place when it was read."""

    place: Place
    cursor: Place
    row: Row


async def put(connection: asyncpg.Connection, rows: Sequence[Row]) -> None:
    """Add outgoing rows in this transaction; the relay publishes them once it is committed."""
    await insert(connection, "outgoing", COLUMNS, rows)


async def ask_for_rechecks(
    connection: asyncpg.Connection, topic: str, bucket: int | None = None
) -> None:
    """Ask the notifier, on `topic`, to look at everyone's entitlement; with `bucket` at that of
    its customers."""
    if bucket is None:
        await connection.execute(sql("recheck_everyone"), topic)
    else:
        await connection.execute(sql("recheck_bucket"), topic, bucket)


# The relay ----------------------------------------------------------------------------------


async def is_waiting(connection: asyncpg.Connection) -> bool:
    """Return whether anything may be published now."""
    return bool(await connection.fetchval(sql("relay_waits")))


async def next_lines(connection: asyncpg.Connection, rows_max: int) -> list[NextLine]:
    return [
        NextLine(Place(*row[:2]), Place(*row[2:4]), row["incarnation"], Line(*row[5:]))
        for row in await connection.fetch(sql("relay_lines"), rows_max)
    ]


async def next_rows(connection: asyncpg.Connection, rows_max: int, bytes_max: int) -> list[NextRow]:
    """Return the next outgoing rows: at most `rows_max`, and none after the one that brings them
    to `bytes_max`."""
    return [
        NextRow(Place(*row[:2]), Place(*row[2:4]), tuple(row[4:]))
        for row in await connection.fetch(sql("relay_outgoing"), rows_max, bytes_max)
    ]


async def move(
    connection: asyncpg.Connection, stream: str, published: Sequence[NextLine | NextRow]
) -> None:
    """Move a stream's cursor behind what was published; not where a person has set it back since
    it was read."""
    if published:
        last = published[-1]
        await connection.execute(sql("relay_move"), stream, *last.place, *last.cursor)


async def forget(connection: asyncpg.Connection, published: Sequence[NextRow]) -> None:
    """Delete the outgoing rows that were published."""
    if published:
        await connection.execute(sql("relay_forget"), *published[-1].place)


async def publish_again(connection: asyncpg.Connection) -> None:
    """Let the relay publish every line again, from the first one on."""
    await connection.execute(sql("relay_again"))


async def lag(connection: asyncpg.Connection) -> dict[str, int]:
    """Return how many rows of each stream wait, 100,000 at most."""
    return {row["stream"]: row["waiting"] for row in await connection.fetch(sql("relay_lag"))}
