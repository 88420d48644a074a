"""Bill runs: the coordinator names a run and one of its pages, the generator bills the page.

A page is some buckets of customers. A step of it is one transaction: the locks, the next customers,
their bills, and how far the page has come. A step that is repeated, also by another run, finds its
customers billed and skips them.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from shared.kafka import clients
from shared.ledger.errors import Unreadable
from shared.ledger.fold import Fold
from shared.ledger.postgres import accounts, outgoing, runs
from shared.ledger.postgres.locks import lock_buckets, lock_run
from shared.ledger.postgres.shape import BookDiffers
from shared.ledger.postgres.stored import read_terms
from shared.runtime import metrics, outbox, trouble
from shared.runtime.backoff import Backoff
from shared.runtime.database import OF_DATA, PASSING, Database
from shared.runtime.health import Health
from shared.runtime.judge import Judge
from shared.runtime.restored import Restored
from shared.runtime.stuck import Stuck
from shared.schemas.topics import PAGES

log = logging.getLogger(__name__)

CUSTOMERS_MAX = 5000
PAGES_AT_ONCE = 2
"""While the lines of one page are written, the bills of the next are computed."""
SMALLER = 8


class Pages:
    """Consumes page commands. They need no positions: a page records its own progress."""

    def __init__(self, kafka: str, database: Database, judge: Judge, health: Health) -> None:
        self._kafka = kafka
        self._database = database
        self._judge = judge
        self._health = health
        self._restored = Restored(kafka, health)
        self._stuck = Stuck("pages", database, health)
        self._stopping = asyncio.Event()
        self._free = asyncio.Semaphore(PAGES_AT_ONCE)

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        wait = Backoff()
        while not self._stopping.is_set():
            consumer = clients.member(self._kafka, "pages", PAGES)
            try:
                await consumer.start()
                self._health.good("kafka")
                await self._consume(consumer)
            except (KafkaError, OSError) as away:
                if trouble.lasting(away):
                    raise
                log.warning("pages: %s", trouble.described(away))
                metrics.RETRIES.labels("pages", "kafka").inc()
                self._health.bad("kafka", trouble.described(away))
                await wait(self._stopping)
            finally:
                await consumer.stop()

    async def _consume(self, consumer: AIOKafkaConsumer) -> None:
        while not self._stopping.is_set():
            polled = await consumer.getmany(timeout_ms=500)
            asked = dict.fromkeys(
                _asked(record.value) for records in polled.values() for record in records
            )
            if asked:
                await asyncio.gather(*(self._bill(tick_id, number) for tick_id, number in asked))
                await consumer.commit()

    async def _bill(self, tick_id: str, number: int) -> None:
        async with self._free:
            wait = Backoff()
            more, size, apart = True, CUSTOMERS_MAX, None
            while more and not self._stopping.is_set():
                try:
                    more = await self._committed(tick_id, number, size, apart)
                    size, apart = min(size * 2, CUSTOMERS_MAX), None
                    wait.reset()
                    self._health.good("pages")
                except (*PASSING, KafkaError) as away:
                    log.warning("page %s of %s: %s", number, tick_id, trouble.described(away))
                    metrics.RETRIES.labels("pages", "database").inc()
                    self._health.bad("pages", trouble.described(away))
                    await wait(self._stopping)
                except BookDiffers:
                    raise
                except Exception as error:
                    if trouble.lasting(error):
                        raise
                    log.exception("page %s of %s fails, %d customers", number, tick_id, size)
                    metrics.RETRIES.labels("pages", type(error).__name__).inc()
                    if not isinstance(error, OF_DATA) or apart is not None:
                        # The run stays unfinished and this page is sent again; other pages
                        # continue.
                        self._health.bad(
                            "pages", f"page {number}: {trouble.described(error)}"[:200]
                        )
                        return
                    # Fewer customers a page, down to one, so that an error affects only one
                    # customer.
                    apart = error if size == 1 else None
                    size = max(1, size // SMALLER)

    async def _committed(
        self, tick_id: str, number: int, size: int, apart: Exception | None
    ) -> bool:
        async with self._database.connection() as connection:
            with self._stuck.watched(f"page {number}", connection):
                async with connection.transaction():
                    if await self._restored.stands_still(connection):
                        # The coordinator sends it again when the book may be written to.
                        return False
                    billed = await self.bill_page(connection, tick_id, number, size, apart)
        billed.observe()
        return billed.more

    async def bill_page(
        self,
        connection: asyncpg.Connection,
        tick_id: str,
        number: int,
        size: int = CUSTOMERS_MAX,
        apart: Exception | None = None,
    ) -> "Billed":
        """Bill the next customers of a page; given `apart`, quarantine them for that error
        instead."""
        page = await runs.page(connection, tick_id, number)
        if page is None or page.finished_at is not None:
            return Billed()
        await lock_buckets(connection, range(page.at_bucket, page.end_bucket))
        page = await runs.lock_page(connection, tick_id, number)
        if page is None or page.finished_at is not None:
            return Billed()
        fold, buckets = await self._judge.folding.of_page(
            connection, page.at_bucket, page.after, page.end_bucket, size
        )
        customers = list(buckets)
        if apart is not None:
            reason = trouble.reason(apart)
            fold.quarantined |= dict.fromkeys(customers, reason)
            fold.broken |= dict.fromkeys(customers, apart)
        counts = _bill(fold, customers, page.as_of)
        await self._judge.save(connection, fold, bucket_of=buckets.__getitem__)
        if page.is_new:
            await self._recheck(connection, page)
        last = len(customers) < size
        if last:
            await lock_run(connection, tick_id)
        behind = (page.at_bucket, page.after)
        if customers:
            behind = (buckets[customers[-1]], customers[-1])
        await runs.move_page(connection, tick_id, number, behind, counts, last)
        if last:
            await runs.finish(connection, tick_id)
        return Billed(not last, counts, Counter(line.kind for line in fold.lines))

    async def _recheck(self, connection: asyncpg.Connection, page: runs.RunPage) -> None:
        """Request rechecks of entitlements whose terms change on a day that has come."""
        due = await accounts.changes_due(connection, page.first_bucket, page.end_bucket, page.as_of)
        days = {}
        for customer_id, terms in due:
            with suppress(Unreadable):  # they are quarantined when they are billed
                days[customer_id] = read_terms(terms).next_change_after(page.as_of)
        if days:
            await accounts.set_next_changes(connection, days)
            rows = [outbox.recheck(each) for each in days]
            await outgoing.put(connection, rows, self._judge.bucket_of_key)


class Billed(NamedTuple):
    """The result of a step: whether the page has `more` customers, and the counts for metrics."""

    more: bool = False
    counts: runs.PageCounts = runs.PageCounts()
    kinds: Mapping[str, int] = MappingProxyType({})

    def observe(self) -> None:
        """Count the page in the metrics; called after its commit."""
        for name, count in self.counts._asdict().items():
            metrics.RUN_CUSTOMERS.labels(name).inc(count)
        for kind, count in self.kinds.items():
            metrics.LEDGER_LINES.labels(kind).inc(count)


def _bill(fold: Fold, customers: Iterable[str], as_of: date) -> runs.PageCounts:
    counts = Counter[str]()
    for customer_id in customers:
        made = fold.bill(customer_id, as_of)
        if made is None:
            counts["quarantined"] += 1
        else:
            counts["billed"] += made[0]
            counts["skipped"] += made[1]
            counts["already_billed"] += made == (0, 0)
    return runs.PageCounts(**counts)


def _asked(value: bytes) -> tuple[str, int]:
    asked = json.loads(value)
    return asked["tick_id"], asked["page"] if "page" in asked else asked["bucket"]
