"""What a settling fleet still has before it, and what became of commands."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

from shared.ledger.postgres.statements import sql


class Look(NamedTuple):
    """One look at the book: all of it as of one instant.

    `positions` maps (consumer, topic, partition) to the next offset; `runs` are the ticks
    whose run is not done; `last` and `relayed` map (stream, bucket) to the position of its last row
    and to that of the relay.
    """

    positions: Mapping[tuple[str, str, int], int]
    runs: frozenset[str]
    last: Mapping[tuple[str, int], int]
    relayed: Mapping[tuple[str, int], int]


class Judged(NamedTuple):
    """A command and its outcome so far, `parked` included; `content` as its event had it."""

    command_id: str
    type: str
    content: str
    outcome: str
    reason: str | None
    ce_id: str | None
    ce_source: str | None


async def look(connection: asyncpg.Connection) -> Look:
    row = await connection.fetchrow(sql("settling"))
    return Look(
        {(c, t, p): offset for c, t, p, offset in row["positions"]},
        frozenset(row["runs"]),
        {(stream, bucket): last or 0 for stream, bucket, _, last in row["relayed"]},
        {(stream, bucket): at for stream, bucket, at, _ in row["relayed"]},
    )


async def outcomes_of(connection: asyncpg.Connection, command_ids: Sequence[str]) -> list[Judged]:
    """Return the outcomes of those of the commands that were judged or are parked."""
    return [Judged(*row) for row in await connection.fetch(sql("outcomes_of"), command_ids)]
