"""A database whose clock stands still, so that no test depends on the day it runs on.

await show(connection, NOON)
"""

from datetime import UTC, datetime

import asyncpg

NOON = datetime(2026, 2, 10, 6, tzinfo=UTC)
"""12:00 in Dhaka."""


async def show(connection: asyncpg.Connection, instant: datetime) -> None:
    """Let the clock of this database show an instant, to new sessions and to this one.

    A function of ours is found before PostgreSQL's `clock_timestamp()`. `now()`, defaults of
    columns and bodies of functions, bound when they were made, go on with the real clock.
    """
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"""
        CREATE SCHEMA IF NOT EXISTS fixed;
        GRANT USAGE ON SCHEMA fixed TO PUBLIC;
        CREATE OR REPLACE FUNCTION fixed.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
            RETURN timestamptz '{instant.isoformat()}';
        ALTER DATABASE {name} SET search_path = fixed, pg_catalog;
        SET search_path = fixed, pg_catalog;
    """)
