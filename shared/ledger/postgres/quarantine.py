"""Quarantine: customers set apart until a person resolves the problem."""

from collections.abc import Callable, Mapping
from datetime import datetime

import asyncpg

from shared.ledger.postgres.statements import sql

BucketOf = Callable[[str], int]
"""Customer id -> bucket."""


async def quarantine(
    connection: asyncpg.Connection,
    reasons: Mapping[str, str],
    bucket_of: BucketOf,
    at: datetime | None = None,
) -> None:
    """Quarantine customers, {customer id: reason}; an existing reason stays. Without `at` the
    database's clock is used."""
    buckets = list(map(bucket_of, reasons))
    await connection.execute(sql("quarantine"), list(reasons), list(reasons.values()), at, buckets)


async def release(connection: asyncpg.Connection, customer_id: str) -> bool:
    """End a customer's quarantine; return False if they were not quarantined."""
    return await connection.fetchval(sql("unquarantine"), customer_id) is not None


async def quarantined(connection: asyncpg.Connection) -> list[str]:
    return [row["customer_id"] for row in await connection.fetch(sql("quarantined_all"))]


async def is_known(connection: asyncpg.Connection, customer_id: str) -> bool:
    """Return whether there is such a customer, or a parked command for one."""
    return bool(await connection.fetchval(sql("customer_known"), customer_id))
