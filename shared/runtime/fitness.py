"""Whether a worker may work on this book and these topics; what is away is waited for."""

import asyncio
import logging

from aiokafka.errors import KafkaError

from shared.kafka.topic_settings import remarks
from shared.ledger.postgres import fleet
from shared.ledger.postgres.health import unguarded
from shared.ledger.postgres.shape import BookDiffers
from shared.runtime import metrics, trouble
from shared.runtime.backoff import Backoff
from shared.runtime.context import Context
from shared.runtime.database import PASSING

log = logging.getLogger(__name__)


async def unfit(context: Context, stopping: asyncio.Event) -> str | None:
    """Return why a worker must not start; None when it may, or was told to stop meanwhile.

    Raises what no waiting mends (`trouble.lasting`): a login that is refused, a right that lacks.
    """
    return await unfit_book(context, stopping) or await unfit_topics(context, stopping)


async def unfit_book(context: Context, stopping: asyncio.Event) -> str | None:
    """Return why a worker must not work on this book; None when it may. Waits for the database.

    Partitions place customers under their locks, and the zone says where a day begins: two
    workers that differ in them would write one customer at once, or bill on different days.
    """
    settings, wait = context.settings, Backoff()
    database = context.database(size=1)
    while not stopping.is_set():
        try:
            async with database.connection() as connection:
                known = await fleet.set_up(connection)
                holes = await unguarded(connection)
            ours = settings.partitions, settings.zone.key
            if known is None:
                return "the book holds no fleet yet: run `rollforward migrate`"
            if known != ours:
                return "the fleet has {} partitions in zone {}, this worker {} in {}".format(
                    *known, *ours
                )
            if holes:
                said = "; ".join(f"{hole.table} {hole.lacks}" for hole in holes)
                return f"the book is not guarded as append-only: {said}"
            return None
        except BookDiffers as differs:
            return str(differs)
        except PASSING as away:
            log.warning("%s: database: %s", context.name, trouble.told(away))
            metrics.RETRIES.labels(context.name, "database").inc()
            context.health.bad("database", trouble.told(away))
            await wait(stopping)
    return None


async def unfit_topics(context: Context, stopping: asyncio.Event) -> str | None:
    """Return why a worker must not work on these topics; None when it may. Waits for Kafka."""
    wait = Backoff()
    while not stopping.is_set():
        try:
            found = await remarks(context.kafka, context.settings.partitions)
        except (KafkaError, OSError) as away:
            if trouble.lasting(away):
                raise
            log.warning("%s: kafka: %s", context.name, trouble.told(away))
            metrics.RETRIES.labels(context.name, "kafka").inc()
            context.health.bad("kafka", trouble.told(away))
            await wait(stopping)
            continue
        for remark in found:
            log.warning("%s: topic %s", context.name, remark)
        return "; ".join(str(remark) for remark in found if remark.refuses) or None
    return None
