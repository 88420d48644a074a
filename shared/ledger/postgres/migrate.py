"""Applies migrations: the steps from an empty database to `schema.sql` and `report.sql`.

Each file in `migrations/` runs once, in the order of names; all run in one transaction. One
process migrates at a time; others wait, and then have nothing left to apply.
"""

from importlib.resources import files

import asyncpg

from shared.ledger.postgres.documents import number
from shared.ledger.postgres.fleet import SetUp, differs, set_up
from shared.ledger.postgres.folding import Policies
from shared.ledger.postgres.locks import lock_migrations
from shared.ledger.postgres.parting import part_lines
from shared.ledger.postgres.statements import sql

DOCUMENTS = "0008_documents.sql"
"""Brings documents into the book: the lines that are there get theirs at once."""
PATIENCE = "5s"
"""How long a migration waits for a table in use. Meanwhile writers queue behind it."""


class Busy(Exception):
    """A table is in use by another session and cannot be changed now. Nothing was changed."""


def steps() -> list[tuple[str, str]]:
    """Return (name, SQL) of each migration, in order."""
    folder = files("shared.ledger.postgres").joinpath("migrations")
    found = [each for each in folder.iterdir() if each.name.endswith(".sql")]
    return sorted((each.name, each.read_text("utf-8")) for each in found)


async def migrate(
    connection: asyncpg.Connection,
    partitions: int,
    zone: str,
    buckets: int,
    line_parts: int | None = None,
) -> list[str]:
    """Bring a database up to date and return what was applied. With `line_parts`, the table of
    lines of a new book gets that many partitions (`part_lines`).

    A new fleet gets these partitions, zone and buckets. An existing fleet keeps its own: raises
    ValueError if its zone or buckets differ, because existing rows depend on them. Partitions are
    not compared, because they may have been multiplied.
    """
    try:
        applied, fleet = await _apply(connection, partitions, zone, buckets)
    except (asyncpg.DuplicateSchemaError, asyncpg.UniqueViolationError):
        # Another process has just created the book: this one failed when it created the schema.
        applied, fleet = await _apply(connection, partitions, zone, buckets)
    except asyncpg.LockNotAvailableError as error:
        raise Busy(
            f"a session has been reading the book for longer than {PATIENCE}: no migration was"
            " applied, nothing has changed; end its transaction (pg_stat_activity shows it) and"
            " run `rollforward migrate` again"
        ) from error
    if (difference := differs(fleet, zone, buckets)) is not None:
        raise ValueError(difference)
    if line_parts is not None:
        async with connection.transaction():
            await lock_migrations(connection)
            if await part_lines(connection, line_parts):
                applied.append(f"{line_parts} partitions of the lines")
    return applied


async def _apply(
    connection: asyncpg.Connection, partitions: int, zone: str, buckets: int
) -> tuple[list[str], SetUp]:
    applied = []
    async with connection.transaction():
        known = await _known(connection)
        if known:
            await lock_migrations(connection)
            known = await _known(connection)
            await connection.execute(sql("be_patient"), PATIENCE)
        for name, text in steps():
            if name not in known:
                await connection.execute(text)
                await connection.execute("INSERT INTO book.migration (name) VALUES ($1)", name)
                applied.append(name)
        await connection.execute(
            "INSERT INTO book.fleet (partitions, zone, buckets) VALUES ($1, $2, $3)"
            " ON CONFLICT DO NOTHING",
            partitions,
            zone,
            buckets,
        )
        await connection.execute(sql("make_buckets"))
        if DOCUMENTS in applied:
            await number(connection, Policies(), by_time=True)
        fleet = await set_up(connection)
    assert fleet is not None
    return applied, fleet


async def _known(connection: asyncpg.Connection) -> set[str]:
    if await connection.fetchval("SELECT to_regclass('book.migration')") is None:
        return set()
    return {row["name"] for row in await connection.fetch("SELECT name FROM book.migration")}
