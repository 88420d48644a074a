"""Checks, at the start of a worker and while it runs, that it may work on this book and topics."""

import asyncio
import logging
from collections.abc import Collection

from aiokafka.errors import KafkaError

from shared.kafka.topic_settings import Remark, remarks
from shared.ledger.postgres import fleet
from shared.ledger.postgres.shape import BookDiffers, expect_fit
from shared.runtime import metrics, trouble
from shared.runtime.backoff import Backoff, pause
from shared.runtime.context import Context
from shared.runtime.database import PASSING, Database

log = logging.getLogger(__name__)

BOOK_SECONDS, TOPICS_SECONDS = 10.0, 60.0
"""How often a worker that runs looks again at the book's shape and guards, and at the topics."""
TOPICS = "topics"
"""The cause in /readyz for a topic with a setting that loses events."""


async def unfit(context: Context, stopping: asyncio.Event) -> str | None:
    """Return why a worker must not start; None when it may, or when it is being stopped.

    Raises errors that waiting does not cure (`trouble.lasting`): a refused login, a missing right.
    """
    return await unfit_book(context, stopping) or await unfit_topics(context, stopping)


async def unfit_book(context: Context, stopping: asyncio.Event) -> str | None:
    """Return why a worker must not work on this book; None when it may. Waits for the database."""
    settings, wait = context.settings, Backoff()
    database = context.database(size=1)
    while not stopping.is_set():
        try:
            async with database.connection() as connection:
                known = await fleet.set_up(connection)
            if known is None:
                return "the book holds no fleet yet: run `rollforward migrate`"
            context.partitions = known.partitions
            return fleet.differs(known, settings.zone.key, settings.buckets)
        except BookDiffers as differs:
            return str(differs)
        except PASSING as away:
            log.warning("%s: database: %s", context.name, trouble.described(away))
            metrics.RETRIES.labels(context.name, "database").inc()
            context.health.bad("database", trouble.described(away))
            await wait(stopping)
    return None


async def unfit_topics(context: Context, stopping: asyncio.Event) -> str | None:
    """Return why a worker must not work on these topics; None when it may. Waits for Kafka."""
    wait = Backoff()
    while not stopping.is_set():
        try:
            found = await remarks(context.kafka, context.partitions)
        except (KafkaError, OSError) as away:
            if trouble.lasting(away):
                raise
            log.warning("%s: kafka: %s", context.name, trouble.described(away))
            metrics.RETRIES.labels(context.name, "kafka").inc()
            context.health.bad("kafka", trouble.described(away))
            await wait(stopping)
            continue
        _log_new(context, found)
        return "; ".join(str(remark) for remark in found if remark.refuses) or None
    return None


async def keep_looking(context: Context, stopping: asyncio.Event) -> None:
    """Look again at the book and the topics while the worker runs. Where the book does not fit any
    more, `context.differs` is set, and the worker ends.

    A server that is away ends nothing: the parts wait for it, and say so.
    """
    database = context.database(size=1)
    await asyncio.gather(
        _keep_looking_at_book(context, database, stopping),
        _keep_looking_at_topics(context, database, stopping),
    )


async def _keep_looking_at_book(
    context: Context, database: Database, stopping: asyncio.Event
) -> None:
    while context.difference is None:
        await pause(stopping, BOOK_SECONDS)
        if stopping.is_set():
            return
        try:
            async with database.connection() as connection:
                await expect_fit(connection)
        except BookDiffers:
            return
        except Exception as away:
            log.info("%s: the book cannot be looked at: %s", context.name, trouble.described(away))


async def _keep_looking_at_topics(
    context: Context, database: Database, stopping: asyncio.Event
) -> None:
    while True:
        await pause(stopping, TOPICS_SECONDS)
        if stopping.is_set():
            return
        try:
            async with database.connection() as connection:
                context.partitions = await fleet.partitions(connection)
            show_topics(context, await remarks(context.kafka, context.partitions))
        except Exception as away:
            log.info(
                "%s: the topics cannot be looked at: %s", context.name, trouble.described(away)
            )


def show_topics(context: Context, found: Collection[Remark]) -> None:
    """Report wrong settings of topics while a worker runs: in the log each one once, in /readyz
    those that keep a worker from starting. A wrong count of partitions is left out of /readyz,
    because the consumer of that topic stands still and reports it."""
    _log_new(context, found)
    refused = "; ".join(str(each) for each in found if each.refuses and not each.counts)
    if refused:
        context.health.bad(TOPICS, f"{refused}; no worker starts like this", person=True)
    else:
        context.health.good(TOPICS)


def _log_new(context: Context, found: Collection[Remark]) -> None:
    words = {str(remark): remark.refuses for remark in found}
    for remark, refuses in words.items():
        if remark not in context.remarked:
            level = logging.ERROR if refuses else logging.WARNING
            log.log(level, "%s: %s", context.name, remark)
    for remark in context.remarked - words.keys():
        log.warning("%s: %s: not so any more", context.name, remark)
    context.remarked = set(words)
