"""The roles of the database, and what a session is set to."""

from collections.abc import Mapping

import asyncpg

from shared.ledger.postgres.statements import sql

WRITER = "rollforward_writer"
"""Writes the book: workers act as it."""
READER = "rollforward_reader"
"""Reads the schema `report`, and nothing else."""


async def allow_login(connection: asyncpg.Connection, role: str, password: str) -> None:
    """Let a role log in with a password; asked for again it only sets the password anew."""
    await connection.execute(await connection.fetchval(sql("allow_login"), role, password))


async def close_other_databases(connection: asyncpg.Connection) -> None:
    """Let nobody but superusers connect to the databases that a new server comes with."""
    await connection.execute(sql("close_other_databases"))


async def set_session(connection: asyncpg.Connection, settings: Mapping[str, str]) -> None:
    """Set what holds for the whole session, in the order given; `role` is one of the settings."""
    await connection.execute(sql("session"), list(settings), list(settings.values()))
