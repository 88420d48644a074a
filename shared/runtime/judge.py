"""How a batch of events about customers becomes ledger lines: decode, lock, load, decide, save."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka import ConsumerRecord

from shared.kafka.buckets import bucket_of, bucket_of_key
from shared.ledger.arrival import Arrival
from shared.ledger.commands import Command, PaymentReceived
from shared.ledger.fold import Fold
from shared.ledger.postgres import conflicts, outgoing
from shared.ledger.postgres.appending import Last
from shared.ledger.postgres.folding import Folding
from shared.ledger.postgres.quarantine import BucketOf
from shared.ledger.postgres.save import save
from shared.ledger.postgres.shape import expect_fit
from shared.runtime import inbox, metrics, outbox, trouble
from shared.runtime.committing import Observe
from shared.schemas.inbound import command_of

log = logging.getLogger(__name__)


class Judge:
    """Judges commands about customers: the handler of the generator and of the collector."""

    def __init__(self, zone: ZoneInfo, buckets: int) -> None:
        self.zone = zone
        self.bucket_of = partial(bucket_of, buckets=buckets)
        self.bucket_of_key = partial(bucket_of_key, buckets=buckets)
        self.folding = Folding(self.bucket_of, partial(command_of, zone=zone))

    async def __call__(
        self,
        connection: asyncpg.Connection,
        records: Sequence[ConsumerRecord],
        last: Last | None = None,
    ) -> Observe:
        arrivals, letters = self._read(records)
        buckets = [self.bucket_of_key(key) for _, key, *_ in letters]
        fold = await self.judge(connection, arrivals, last, buckets)
        await outgoing.put(connection, letters, self.bucket_of_key)
        return partial(_observe, records, fold, letters)

    def _read(
        self, records: Iterable[ConsumerRecord]
    ) -> tuple[list[Arrival[Command]], list[outgoing.Row]]:
        return inbox.read(records, self.zone)

    async def judge(
        self,
        connection: asyncpg.Connection,
        arrivals: Sequence[Arrival[Command]],
        last: Last | None = None,
        others: Iterable[int] = (),
    ) -> Fold:
        """Judge arrivals within the transaction and save the results; with `last`, few lines and
        outcomes are left to it. The buckets `others` are locked too."""
        fold = await self.folding.of_batch(connection, arrivals, others)
        fold.take(arrivals)
        if arrivals:
            await self.save(connection, fold, last)
        return fold

    async def save(
        self,
        connection: asyncpg.Connection,
        fold: Fold,
        last: Last | None = None,
        bucket_of: BucketOf | None = None,
    ) -> None:
        """Save what a fold decided, and the messages that it causes besides its lines.

        `bucket_of` is given where the buckets of all its customers are known already.

        Raises BookDiffers where the book itself is at fault and customers would be quarantined
        for it.
        """
        if fold.broken:
            await expect_fit(connection)
        bucket_of = bucket_of or self.bucket_of
        await save(connection, fold, bucket_of, last)
        at = fold.world.recorded_at
        clashes = [judged.arrival for judged in fold.judged if judged.outcome == "conflict"]
        await conflicts.keep(
            connection,
            [
                (a.command_id, a.command.customer_id, *a.event, bucket_of(a.command.customer_id))
                for a in clashes
            ],
            at,
        )
        messages = [
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
        # A payment that waits for a first period gets its receipt by a recheck: it has no line.
        paid = {
            judged.arrival.command.customer_id
            for judged in fold.judged
            if judged.reason == "no_period_yet" and judged.outcome == "parked"
            and isinstance(judged.arrival.command, PaymentReceived)
        }  # fmt: skip
        messages += [
            outbox.recheck(customer_id) for customer_id in sorted(fold.changed | fold.opened | paid)
        ]
        await outgoing.put(connection, messages, self.bucket_of_key)
        for customer_id, error in fold.broken.items():
            log.error("quarantined %s", customer_id, exc_info=error)

    async def set_apart(
        self, connection: asyncpg.Connection, record: ConsumerRecord, error: Exception
    ) -> Observe:
        """Quarantine the customer of a record that the database refuses, and park its command."""
        arrivals, _ = self._read([record])
        if not arrivals:
            raise error
        (arrival,) = arrivals
        reason = trouble.reason(error)
        fold = await self.folding.of_broken(connection, arrival, error, reason)
        fold.take(arrivals)
        await self.save(connection, fold)
        return partial(_observe, [record], fold, [])


def _observe(
    records: Sequence[ConsumerRecord], fold: Fold, letters: Sequence[outgoing.Row]
) -> None:
    now = time.time()
    topic = next(iter({record.topic for record in records}), "")
    metrics.EVENT_SECONDS.observe(topic, [max(0.0, now - r.timestamp / 1e3) for r in records])
    counts = Counter((judged.arrival.type, judged.outcome) for judged in fold.judged)
    for (type_, outcome), count in counts.items():
        metrics.EVENTS.labels(topic, type_, outcome).inc(count)
    for letter_topic, count in Counter(row[0].removesuffix(".dlq") for row in letters).items():
        metrics.DEAD_LETTERS.labels(letter_topic).inc(count)
        metrics.EVENTS.labels(letter_topic, "", "malformed").inc(count)
    for kind, count in Counter(line.kind for line in fold.lines).items():
        metrics.LEDGER_LINES.labels(kind).inc(count)
