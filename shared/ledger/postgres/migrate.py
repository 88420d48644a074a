"""Migrations: the way from an empty database to `schema.sql` and `report.sql`, step by step.

Each file in `migrations/` runs once, in the order of its name, in a transaction of its own.
"""

from importlib.resources import files

import asyncpg

LOCK = 7285
"""The advisory lock under which one process migrates; others wait and find it done."""


def steps() -> list[tuple[str, str]]:
    """Return (name, SQL) of each migration, in order."""
    folder = files("shared.ledger.postgres").joinpath("migrations")
    found = [each for each in folder.iterdir() if each.name.endswith(".sql")]
    return sorted((each.name, each.read_text("utf-8")) for each in found)


async def migrate(connection: asyncpg.Connection, partitions: int, zone: str) -> list[str]:
    """Bring a database up to date and return what was applied.

    A new fleet keeps its partition count and zone from here on; ValueError when an existing
    one was set up with others: both place what was already written.
    """
    applied = []
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        known = await _known(connection)
        for name, text in steps():
            if name not in known:
                await connection.execute(text)
                await connection.execute("INSERT INTO book.migration (name) VALUES ($1)", name)
                applied.append(name)
        await connection.execute(
            "INSERT INTO book.fleet (partitions, zone) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            partitions,
            zone,
        )
        fleet = await connection.fetchrow("SELECT partitions, zone FROM book.fleet")
    if (fleet["partitions"], fleet["zone"]) != (partitions, zone):
        raise ValueError(
            f"this fleet has {fleet['partitions']} partitions in zone {fleet['zone']};"
            f" {partitions} in {zone} was asked for"
        )
    return applied


async def _known(connection: asyncpg.Connection) -> set[str]:
    if await connection.fetchval("SELECT to_regclass('book.migration')") is None:
        return set()
    return {row["name"] for row in await connection.fetch("SELECT name FROM book.migration")}
