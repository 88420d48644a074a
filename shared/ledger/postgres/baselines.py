"""What the benchmark compares with: the same rows written without our safeguards."""

import time
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from shared.ledger.line import Line
from shared.ledger.postgres.statements import sql

COPY_ROWS = 5000
SINGLE_MAX = 2000
"""One transaction per line is slow; this many are enough to measure it."""


async def last_position(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval(sql("last_position")))


async def lines_after(connection: asyncpg.Connection, position: int) -> list[Line]:
    """Return the lines after a position, in the order of positions."""
    return [Line(*row) for row in await connection.fetch(sql("lines_after"), position)]


async def lines_of_command(
    connection: asyncpg.Connection, customer_id: str, command_id: str
) -> int:
    """Return how many committed lines a command has in the ledger."""
    return int(await connection.fetchval(sql("lines_of_command"), customer_id, command_id))


async def insert_bare(connection: asyncpg.Connection, value: bytes) -> None:
    """Store a record for the bare loop, which judges nothing."""
    await connection.execute(sql("insert_bare"), value)


async def bare_rows(connection: asyncpg.Connection) -> int:
    """Return how many rows the bare loop has committed."""
    return int(await connection.fetchval(sql("bare_rows")))


async def settle_tables(connection: asyncpg.Connection) -> None:
    """Vacuum after a bulk load, so that no autovacuum runs during a measurement."""
    await connection.execute("VACUUM ANALYZE")


async def checkpoint(connection: asyncpg.Connection) -> None:
    """Flush loaded data to disk, so that this does not happen during a measurement."""
    await connection.execute("CHECKPOINT")


async def now(connection: asyncpg.Connection) -> datetime:
    """Return the time of the database's clock."""
    at: datetime = await connection.fetchval(sql("baseline_now"))
    return at


async def mark_published(connection: asyncpg.Connection) -> None:
    """Move the relay's cursors past every line, so that none is published. No relay may run."""
    await connection.execute(sql("baseline_published"))


async def make_twin(connection: asyncpg.Connection, position: int) -> None:
    """Create the twin table and copy all lines up to a position into it."""
    await connection.execute(sql("baseline_twin"))
    await connection.execute(sql("baseline_before"), position)
    await checkpoint(connection)


async def copy_per_second(
    connection: asyncpg.Connection, position: int, lines: Sequence[Line]
) -> float:
    """Return how many lines per second COPY writes into the twin, 5,000 per transaction."""
    await make_twin(connection, position)
    began = time.perf_counter()
    for at in range(0, len(lines), COPY_ROWS):
        await connection.copy_records_to_table(
            "line",
            schema_name="baseline",
            columns=Line._fields,
            records=lines[at : at + COPY_ROWS],
        )
    return len(lines) / (time.perf_counter() - began)


async def single_per_second(
    connection: asyncpg.Connection, position: int, lines: Sequence[Line]
) -> float:
    """Return how many lines per second are written with one transaction each, as a job with an ORM
    does: lock the customer, read their last line, insert, commit."""
    await make_twin(connection, position)
    some = lines[:SINGLE_MAX]
    account = await connection.prepare(sql("baseline_account"))
    head = await connection.prepare(sql("baseline_head"))
    places = ", ".join(f"${place}" for place in range(1, len(Line._fields) + 1))
    insert = await connection.prepare(
        f"INSERT INTO baseline.line ({', '.join(Line._fields)}) VALUES ({places})"
    )
    began = time.perf_counter()
    for line in some:
        async with connection.transaction():
            await account.fetchrow(line.customer_id)
            await head.fetchrow(line.customer_id)
            await insert.fetch(*line)
    return len(some) / (time.perf_counter() - began)


async def insert_seconds(connection: asyncpg.Connection, lines: Sequence[Line]) -> float:
    """Return how many seconds a plain insert of the lines into the twin takes, in one
    transaction."""
    places = ", ".join(f"${place}" for place in range(1, len(Line._fields) + 1))
    began = time.perf_counter()
    async with connection.transaction():
        await connection.executemany(
            f"INSERT INTO baseline.line ({', '.join(Line._fields)}) VALUES ({places})", lines
        )
    return time.perf_counter() - began
