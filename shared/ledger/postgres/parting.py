"""Partitions the table of lines by bucket, in a new book only, if `migrate` is asked to.

Each partition has the lines of some consecutive buckets, so a bill page writes into one or a few
partitions. A large book can then store its partitions separately, or copy them one by one.
"""

import asyncpg

from shared.ledger.postgres.statements import sql


async def part_lines(connection: asyncpg.Connection, parts: int) -> bool:
    """Divide the table of lines into `parts` partitions; return False if it has that many already.

    Raises ValueError if `parts` does not divide the number of buckets, the book has lines, or it
    has another number of partitions: rows are never moved. Must be called in a transaction.
    """
    now, has_lines, buckets = await connection.fetchrow(sql("line_parts"))
    if now == parts:
        return False
    if parts < 1 or buckets % parts:
        possible = ", ".join(str(each) for each in range(1, buckets + 1) if buckets % each == 0)
        raise ValueError(f"the lines cannot be partitioned into {parts}; possible: {possible}")
    if now or has_lines:
        is_so = f"is partitioned into {now}" if now else "has lines"
        raise ValueError(f"lines are partitioned in a new book, and this one {is_so}")
    await connection.execute("SELECT set_config('rollforward.line_parts', $1, true)", str(parts))
    await connection.execute(sql("part_lines"))
    return True
