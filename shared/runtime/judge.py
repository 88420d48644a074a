"""How a batch of events about customers becomes ledger: decode, lock, load, decide, save."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka import ConsumerRecord

from shared.kafka.buckets import bucket_of
from shared.ledger.account import NEVER
from shared.ledger.arrival import Arrival
from shared.ledger.commands import Command, SignedUp
from shared.ledger.errors import Unreadable
from shared.ledger.fold import Fold
from shared.ledger.postgres import book, conflicts
from shared.ledger.postgres.shape import expect_nobodys_fault
from shared.ledger.reach import Reach, reach, references_asked
from shared.ledger.world import World
from shared.runtime import inbox, metrics, outbox, trouble
from shared.runtime.loop import Observe
from shared.schemas.inbound import command_of

log = logging.getLogger(__name__)


class Judge:
    """Judges commands about customers: the handler of the generator and of the collector."""

    def __init__(self, zone: ZoneInfo, partitions: int) -> None:
        self.zone = zone
        self.bucket_of = partial(bucket_of, partitions=partitions)
        self.policies = book.Policies()

    async def __call__(
        self, connection: asyncpg.Connection, records: Sequence[ConsumerRecord]
    ) -> Observe:
        arrivals, letters = self._read(records)
        fold = await self.judge(connection, arrivals)
        await outbox.put(connection, letters)
        return partial(_observe, records, fold, letters)

    def _read(
        self, records: Iterable[ConsumerRecord]
    ) -> tuple[list[Arrival[Command]], list[outbox.Row]]:
        return inbox.read(records, self.zone)

    async def judge(
        self, connection: asyncpg.Connection, arrivals: Sequence[Arrival[Command]]
    ) -> Fold:
        """Judge arrivals within the transaction and save what came of them."""
        reaches = _reaches(arrivals)
        if not reaches:
            return Fold(World(NEVER))
        await book.lock_buckets(connection, map(self.bucket_of, reaches))
        ids = [arrival.command_id for arrival in arrivals]
        fold = await book.open_fold(connection, self.policies, ids, list(reaches))
        fold.accounts, broken = await book.accounts(connection, reaches)
        fold.set_apart(broken)
        await self._load_parked(connection, fold, arrivals, reaches)
        asked = references_asked(
            [*arrivals, *(each for waiting in fold.parked.values() for each in waiting)],
            fold.accounts.values(),
        )
        await book.load_references(connection, fold.world, asked)
        fold.take(arrivals)
        await self.save(connection, fold)
        return fold

    async def _load_parked(
        self,
        connection: asyncpg.Connection,
        fold: Fold,
        arrivals: Sequence[Arrival[Command]],
        customers: Iterable[str],
    ) -> None:
        """Load what waits for customers who may get an account or a first period now."""
        signed_up = {a.command.customer_id for a in arrivals if isinstance(a.command, SignedUp)}
        unsettled = [
            customer_id
            for customer_id in customers
            if customer_id in signed_up
            or (customer_id in fold.accounts and fold.accounts[customer_id].head is None)
        ]
        await self.load_waiting(connection, fold, unsettled)

    async def load_waiting(
        self, connection: asyncpg.Connection, fold: Fold, customers: Sequence[str]
    ) -> None:
        """Load what is parked for customers into the fold."""
        if not customers:
            return
        for customer_id, kind, content, *event in await book.parked_of(connection, customers):
            try:
                command = command_of(kind, content, self.zone)
            except Exception as error:
                # The rows of one customer were changed by hand: one customer stops.
                said = f"a parked {kind} cannot be read: {type(error).__name__}: {error}"
                fold.set_apart({customer_id: Unreadable(said)})
                continue
            arrival: Arrival[Any] = Arrival(kind, command, content, *event)
            fold.parked.setdefault(customer_id, []).append(arrival)

    async def save(self, connection: asyncpg.Connection, fold: Fold) -> None:
        """Save what a fold decided, and what it tells the world besides its lines.

        Raises BookDiffers where customers would be quarantined for what is the book's own fault.
        """
        if fold.broken:
            await expect_nobodys_fault(connection)
        await book.save(connection, fold, self.bucket_of)
        at = fold.world.recorded_at
        clashes = [judged.arrival for judged in fold.judged if judged.outcome == "conflict"]
        await conflicts.keep(
            connection,
            [(a.command_id, a.command.customer_id, *a.event) for a in clashes],
            at,
        )
        told = [
            outbox.refusal(
                judged.arrival,
                judged.arrival.command.customer_id,
                reason,
                judged.seen,
                at,
            )
            for judged in fold.judged
            if (reason := judged.refusal) is not None
        ]
        told += [outbox.recheck(customer_id) for customer_id in sorted(fold.changed | fold.opened)]
        await outbox.put(connection, told)
        for customer_id, error in fold.broken.items():
            log.error("quarantined %s", customer_id, exc_info=error)

    async def set_apart(
        self, connection: asyncpg.Connection, record: ConsumerRecord, error: Exception
    ) -> Observe:
        """Quarantine the customer of a record that the database refuses; the record is parked."""
        arrivals, _ = self._read([record])
        if not arrivals:
            raise error
        (arrival,) = arrivals
        await book.lock_buckets(connection, [self.bucket_of(arrival.command.customer_id)])
        fold = await book.open_fold(connection, self.policies, [arrival.command_id])
        fold.quarantined[arrival.command.customer_id] = (
            f"{type(error).__name__}: {trouble.words(error)}"[:500]
        )
        fold.broken[arrival.command.customer_id] = error
        fold.take(arrivals)
        await self.save(connection, fold)
        return partial(_observe, [record], fold, [])


def _reaches(arrivals: Iterable[Arrival[Command]]) -> dict[str, Reach]:
    """Return how far back each customer's account must be loaded for all of his commands."""
    reaches: dict[str, Reach] = {}
    for arrival in arrivals:
        customer_id, wanted = arrival.command.customer_id, reach(arrival.command)
        known = reaches.get(customer_id)
        reaches[customer_id] = wanted if known is None else known.and_also(wanted)
    return reaches


def _observe(records: Sequence[ConsumerRecord], fold: Fold, letters: Sequence[outbox.Row]) -> None:
    now = time.time()
    topic = next(iter({record.topic for record in records}), "")
    seconds = metrics.EVENT_SECONDS.labels(topic)
    for record in records:
        seconds.observe(max(0.0, now - record.timestamp / 1e3))
    counts = Counter((judged.arrival.type, judged.outcome) for judged in fold.judged)
    for (type_, outcome), count in counts.items():
        metrics.EVENTS.labels(topic, type_, outcome).inc(count)
    for letter_topic, count in Counter(row[0].removesuffix(".dlq") for row in letters).items():
        metrics.DEAD_LETTERS.labels(letter_topic).inc(count)
        metrics.EVENTS.labels(letter_topic, "", "malformed").inc(count)
    for kind, count in Counter(line.kind for line in fold.lines).items():
        metrics.LEDGER_LINES.labels(kind).inc(count)
