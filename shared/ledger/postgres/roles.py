"""The roles of the database, and the settings of a session."""

from collections.abc import Mapping

import asyncpg

from shared.ledger.postgres.statements import sql

WRITER = "rollforward_writer"
"""Writes the book; the role of workers."""
READER = "rollforward_reader"
"""Reads the schema `report`, and nothing else."""


async def allow_login(connection: asyncpg.Connection, role: str, password: str) -> None:
    """Let a role log in with a password. A second call only changes the password."""
    await connection.execute(await connection.fetchval(sql("allow_login"), role, password))


async def close_other_databases(connection: asyncpg.Connection) -> None:
    """Allow only superusers to connect to the databases that a new server comes with."""
    await connection.execute(sql("close_other_databases"))


async def set_session(connection: asyncpg.Connection, settings: Mapping[str, str]) -> None:
    """Set parameters for the whole session, in the order given; `role` may be one of them."""
    await connection.execute(sql("session"), list(settings), list(settings.values()))
