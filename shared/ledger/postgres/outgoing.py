"""What is published from the book: adding outgoing rows, and reading all streams for the relay.

The streams are lines, outgoing rows, notices and entitlements. Within a bucket of a stream, rows
are published in the order of positions. Positions are assigned while the bucket is locked, so this
is also the order of commits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import asyncpg

from shared.ledger.line import Line
from shared.ledger.postgres.locks import lock_every_bucket
from shared.ledger.postgres.save import insert
from shared.ledger.postgres.statements import sql

LINE, OUTGOING, NOTICE, ENTITLEMENT = "line", "outgoing", "notice", "entitlement"
"""The streams, each with one cursor per bucket."""
COLUMNS = ("topic", "key", "value", "headers", "bucket")

Row = tuple[str, bytes | None, bytes | None, str]
"""(topic, key, value, headers); the headers as JSON, [[name, base64 of the bytes], ...]."""
BucketOfKey = Callable[[bytes | None], int]
"""Message key -> bucket."""
Cursors = Mapping[tuple[str, int], int]
"""The relay's cursors: (stream, bucket) -> position of the last published row."""


class NextLine(NamedTuple):
    """A line to publish."""

    bucket: int
    position: int
    incarnation: int
    line: Line


class NextRow(NamedTuple):
    """An outgoing row to publish."""

    bucket: int
    position: int
    row: Row


class NextNotice(NamedTuple):
    """A notice to publish, as of `requested_at`; the amount in minor units."""

    bucket: int
    position: int
    requested_at: datetime
    incarnation: int
    phone: str
    language: str
    notice_id: str
    customer_id: str
    kind: str
    period: str
    amount: int
    text: str
    segments: int


class NextEntitlement(NamedTuple):
    """An entitlement to publish."""

    bucket: int
    position: int
    changed_at: datetime
    customer_id: str
    expires_on: date | None
    status: str
    seq: int
    incarnation: int
    username: str
    package: str


Next = NextLine | NextRow | NextNotice | NextEntitlement


async def put(
    connection: asyncpg.Connection, rows: Sequence[Row], bucket_of_key: BucketOfKey
) -> None:
    """Add outgoing rows in this transaction, which must have locked the buckets of their keys. The
    relay publishes them after the commit."""
    await insert(connection, "outgoing", COLUMNS, [(*row, bucket_of_key(row[1])) for row in rows])


async def ask_for_rechecks(
    connection: asyncpg.Connection, topic: str, partition: int | None = None
) -> None:
    """Request, on `topic`, a recheck of every customer's entitlement; with `partition` only of
    customers whose rechecks are in that partition of the topic. It locks their buckets."""
    await lock_every_bucket(connection, partition)
    await connection.execute(sql("recheck_everyone"), topic, partition)


# The relay ----------------------------------------------------------------------------------


async def waiting(connection: asyncpg.Connection) -> list[tuple[str, int]]:
    """Return every (stream, bucket) in which rows wait to be published."""
    return [(row[0], row[1]) for row in await connection.fetch(sql("relay_waiting"))]


async def bills_first(connection: asyncpg.Connection, seconds_max: float) -> bool:
    """Return whether runs are open and the oldest of them began at most `seconds_max` seconds ago.
    The relay then publishes slowly, so that billing gets the machine."""
    return bool(await connection.fetchval(sql("relay_bills_first"), seconds_max))


async def take(
    connection: asyncpg.Connection, wanted: Sequence[tuple[str, int]], lease: str
) -> dict[tuple[str, int], int]:
    """Lock cursors for this transaction, except those that another relay has locked, and return
    them with their positions. If this session is idle in the transaction for longer than `lease`,
    such as '60s', PostgreSQL ends it, which frees the cursors."""
    streams, buckets = zip(*wanted, strict=True)
    await connection.execute(sql("relay_lease"), lease)
    rows = await connection.fetch(sql("relay_take"), streams, buckets)
    return {(row[0], row[1]): row[2] for row in rows}


async def next_lines(
    connection: asyncpg.Connection, cursors: Cursors, rows_max: int
) -> list[NextLine]:
    """Return the next lines after the cursors of this stream, at most `rows_max` per bucket."""
    rows = await connection.fetch(sql("relay_lines"), *_of(cursors, LINE), rows_max)
    return [NextLine(row[0], row[1], row[2], Line(*row[3:])) for row in rows]


async def next_rows(
    connection: asyncpg.Connection, cursors: Cursors, rows_max: int, bytes_max: int
) -> list[NextRow]:
    """Return the next outgoing rows, at most `rows_max` per bucket; the last one is the one that
    brings the total to `bytes_max`."""
    rows = await connection.fetch(
        sql("relay_outgoing"), *_of(cursors, OUTGOING), rows_max, bytes_max
    )
    return [NextRow(row[0], row[1], tuple(row[2:])) for row in rows]


async def next_notices(
    connection: asyncpg.Connection, cursors: Cursors, rows_max: int
) -> list[NextNotice]:
    rows = await connection.fetch(sql("relay_notices"), *_of(cursors, NOTICE), rows_max)
    return [NextNotice(*row) for row in rows]


async def next_entitlements(
    connection: asyncpg.Connection, cursors: Cursors, rows_max: int
) -> list[NextEntitlement]:
    rows = await connection.fetch(sql("relay_entitlements"), *_of(cursors, ENTITLEMENT), rows_max)
    return [NextEntitlement(*row) for row in rows]


def _of(cursors: Cursors, stream: str) -> tuple[list[int], list[int]]:
    """Return the buckets of a stream's cursors, and their positions in the same order."""
    ours = sorted((bucket, at) for (name, bucket), at in cursors.items() if name == stream)
    return [bucket for bucket, _ in ours], [at for _, at in ours]


async def move(
    connection: asyncpg.Connection, cursors: Cursors, published: Mapping[str, Iterable[Next]]
) -> None:
    """Move the cursors past the rows that were published, by stream, and delete the outgoing rows
    among them. The rows of a bucket must be in the order of positions."""
    ends = {
        (stream, each.bucket): each.position for stream, rows in published.items() for each in rows
    }
    if not ends:
        return
    columns = zip(*((stream, bucket, at) for (stream, bucket), at in ends.items()), strict=True)
    await connection.execute(sql("relay_move"), *columns)
    gone = [
        (bucket, cursors[stream, bucket], at)
        for (stream, bucket), at in ends.items()
        if stream == OUTGOING
    ]
    if gone:
        await connection.execute(sql("relay_forget"), *zip(*gone, strict=True))


async def publish_again(connection: asyncpg.Connection) -> None:
    """Make the relay publish every line again, from the first one on."""
    await connection.execute(sql("relay_again"))


async def lag(connection: asyncpg.Connection) -> dict[str, int]:
    """Return how many rows of each stream wait; at most 2,000 per bucket are counted."""
    return {row["stream"]: row["waiting"] for row in await connection.fetch(sql("relay_lag"))}
