"""What a command would do now: judged on the real book, and nothing of it is kept."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

import asyncpg

from shared.kafka.buckets import bucket_of
from shared.ledger.arrival import Arrival
from shared.ledger.commands import Command
from shared.ledger.line import Line
from shared.ledger.postgres import fleet
from shared.ledger.postgres.folding import Folding
from shared.schemas.inbound import command_of


class Preview(NamedTuple):
    """The outcome that a command would have now, why, and the lines that it would append, bills
    made on the way included. `withdrawn`: the command that waits and would not be applied."""

    outcome: str
    reason: str | None
    lines: Sequence[Line]
    withdrawn: str | None = None


async def preview(
    connection: asyncpg.Connection, arrival: Arrival[Command], zone: ZoneInfo
) -> Preview:
    """Judge a command in a transaction that is rolled back. Its customer's bucket is locked for so
    long, so what it says is true at one moment. The fleet must be set up."""
    known = await fleet.set_up(connection)
    assert known is not None
    buckets = partial(bucket_of, buckets=known.buckets)
    transaction = connection.transaction()
    await transaction.start()
    try:
        folding = Folding(buckets, partial(command_of, zone=zone))
        fold = await folding.of_batch(connection, [arrival])
        fold.take([arrival])
    finally:
        await transaction.rollback()
    judged = next(each for each in fold.judged if each.arrival is arrival)
    outcome = "conflicting_duplicate" if judged.outcome == "conflict" else judged.outcome
    withdrawn = [each.arrival.command_id for each in fold.judged if each.reason == "withdrawn"]
    return Preview(outcome, judged.reason, fold.lines, withdrawn[0] if withdrawn else None)
