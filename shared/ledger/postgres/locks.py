"""All locks, held until the transaction ends: the tables of the schema `book_lock`, and two rows.

A batch locks its buckets in ascending order, so that two batches cannot deadlock. Only a bill page
takes locks of two kinds: its buckets, then its run.
"""

from collections.abc import Iterable
from datetime import date

import asyncpg

from shared.ledger.postgres.statements import sql


async def lock_every_bucket(connection: asyncpg.Connection, partition: int | None = None) -> None:
    """Lock all buckets; with `partition` only those whose events are in that Kafka partition."""
    await connection.execute(sql("lock_every_bucket"), partition)


async def lock_buckets(connection: asyncpg.Connection, buckets: Iterable[int]) -> None:
    """Lock buckets of customers, in ascending order (`book_lock.bucket_N`)."""
    await connection.execute(sql("lock_buckets"), sorted(set(buckets)))


async def lock_telling(connection: asyncpg.Connection, buckets: Iterable[int]) -> None:
    """Keep other batches from notifying customers of these buckets (`book_lock.telling_N`)."""
    await connection.execute(sql("lock_telling"), sorted(set(buckets)))


async def lock_fleet(connection: asyncpg.Connection) -> date | None:
    """Lock the fleet's row, so that ticks are judged one after the other; return the business
    date, None before the first tick."""
    business_date: date | None = await connection.fetchval(sql("lock_fleet"))
    return business_date


async def lock_run(connection: asyncpg.Connection, tick_id: str) -> None:
    """Lock a run's row, so that when two pages end at once, the second sees that the first is
    done."""
    await connection.execute(sql("lock_run"), tick_id)


async def lock_policy(connection: asyncpg.Connection) -> None:
    """Serialise `policy apply` (`book_lock.policy`)."""
    await connection.execute(sql("lock_policy"))


async def lock_seal(connection: asyncpg.Connection) -> None:
    """Serialise sealing (`book_lock.seal`). It must be the first statement of the transaction: a
    snapshot older than the lock would not contain the previous seal."""
    await connection.execute(sql("lock_seal"))


async def lock_document(connection: asyncpg.Connection) -> None:
    """Serialise the numbering of documents (`book_lock.document`)."""
    await connection.execute(sql("lock_document"))


async def lock_migrations(connection: asyncpg.Connection) -> None:
    """Serialise migrating (the table `book.migration`)."""
    await connection.execute(sql("lock_migrations"))
