"""Parts the table of lines by bucket, where a new book is asked to.

Each partition has the lines of some buckets that lie side by side, so a bill page writes into one
or a few of them. A large book may then keep its partitions apart, or copy them one by one.
"""

import asyncpg

from shared.ledger.postgres.statements import sql


async def part_lines(connection: asyncpg.Connection, parts: int) -> bool:
    """Part the table of lines into so many partitions; return whether it was not so before.

    Raises ValueError where they do not divide the buckets, the book has lines, or it is parted
    otherwise: rows are never moved. To be called in a transaction.
    """
    now, has_lines, buckets = await connection.fetchrow(sql("line_parts"))
    if now == parts:
        return False
    if parts < 1 or buckets % parts:
        possible = ", ".join(str(each) for each in range(1, buckets + 1) if buckets % each == 0)
        raise ValueError(f"the lines cannot be parted into {parts}; possible: {possible}")
    if now or has_lines:
        is_so = f"is parted into {now}" if now else "has lines"
        raise ValueError(f"lines are parted in a new book, and this one {is_so}")
    await connection.execute("SELECT set_config('rollforward.line_parts', $1, true)", str(parts))
    await connection.execute(sql("part_lines"))
    return True
