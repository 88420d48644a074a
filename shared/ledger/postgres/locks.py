"""The locks, each held until the commit: tables of the schema `book_lock`, and two rows.

A batch takes its buckets in ascending order, so that two cannot wait for each other. Only a bill
page takes two kinds: its bucket, then its run.
"""

from collections.abc import Iterable
from datetime import date

import asyncpg

from shared.ledger.postgres.statements import sql


async def lock_every_bucket(connection: asyncpg.Connection, partition: int | None = None) -> None:
    """Lock all customers; with `partition` those whose events have that partition in Kafka."""
    await connection.execute(sql("lock_every_bucket"), partition)


async def lock_buckets(connection: asyncpg.Connection, buckets: Iterable[int]) -> None:
    """Lock customers, bucket by bucket in ascending order (`book_lock.bucket_N`)."""
    await connection.execute(sql("lock_buckets"), sorted(set(buckets)))


async def lock_telling(connection: asyncpg.Connection, buckets: Iterable[int]) -> None:
    """Let no other batch notify these buckets' customers (`book_lock.telling_N`)."""
    await connection.execute(sql("lock_telling"), sorted(set(buckets)))


async def lock_fleet(connection: asyncpg.Connection) -> date | None:
    """Lock the fleet's row, so that ticks are judged one after the other; return the business
    date, None before the first tick."""
    business_date: date | None = await connection.fetchval(sql("lock_fleet"))
    return business_date


async def lock_run(connection: asyncpg.Connection, tick_id: str) -> None:
    """Lock a run's row, so that of two pages that end at once the second sees the first."""
    await connection.execute(sql("lock_run"), tick_id)


async def lock_policy(connection: asyncpg.Connection) -> None:
    """Serialise `policy apply` (`book_lock.policy`)."""
    await connection.execute(sql("lock_policy"))


async def lock_seal(connection: asyncpg.Connection) -> None:
    """Serialise sealing (`book_lock.seal`). It must be the first statement of the transaction: a
    snapshot older than the lock would not see the seal before."""
    await connection.execute(sql("lock_seal"))


async def lock_migrations(connection: asyncpg.Connection) -> None:
    """Let one process migrate at a time (the table `book.migration`)."""
    await connection.execute(sql("lock_migrations"))
