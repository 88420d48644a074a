"""What is left to do until the fleet has settled, and the outcomes of commands."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

from shared.ledger.postgres.statements import sql


class Look(NamedTuple):
    """The state of the book as of one instant.

    `positions` maps (consumer, topic, partition) to the next offset; `runs` has the ticks whose
    run is unfinished; `last` and `relayed` map (stream, bucket) to the position of its last row
    and to the relay's cursor; `numbered` maps a bucket to the position
    up to which its lines have their documents.
    """

    positions: Mapping[tuple[str, str, int], int]
    runs: frozenset[str]
    last: Mapping[tuple[str, int], int]
    relayed: Mapping[tuple[str, int], int]
    numbered: Mapping[int, int]


class Judged(NamedTuple):
    """A command and its outcome so far, which may be `parked`; `content` as in its event."""

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
        dict(row["numbered"]),
    )


async def outcomes_of(connection: asyncpg.Connection, command_ids: Sequence[str]) -> list[Judged]:
    """Return those of the commands that have an outcome or are parked."""
    return [Judged(*row) for row in await connection.fetch(sql("outcomes_of"), command_ids)]
