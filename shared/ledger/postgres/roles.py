"""The roles of the database: who writes the book, and who reads reports."""

import asyncpg

from shared.ledger.postgres.statements import sql

WRITER = "rollforward_writer"
READER = "rollforward_reader"


async def allow_login(connection: asyncpg.Connection, role: str, password: str) -> None:
    """Let a role log in with a password; asked for again it only sets the password anew."""
    await connection.execute(await connection.fetchval(sql("allow_login"), role, password))
