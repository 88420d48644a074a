"""Sets a fleet up: the book, its roles and the topics. Safe to repeat."""

from aiokafka.errors import KafkaError

from shared.kafka.broker import check_topics, create_topics
from shared.ledger.postgres import fleet
from shared.ledger.postgres.migrate import migrate
from shared.operator.multiplying import finish
from shared.operator.servers import database, no_kafka
from shared.runtime.settings import Settings, SettingsError


async def set_up(
    kafka: str, database_url: str, settings: Settings, line_parts: int | None = None
) -> list[str]:
    """Bring the book and the topics up to date; return a line for each step. Given `line_parts`,
    the lines of a new book are parted into so many partitions.

    The settings' partition count is that of a new fleet; an existing one has its own in the book.
    Raises Unreachable when a server is away, SettingsError when the fleet was set up with
    another zone or other buckets, WrongTopics when a topic cannot be used as it is.
    """
    async with database(database_url, migrated=False) as connection:
        try:
            applied = await migrate(
                connection, settings.partitions, settings.zone.key, settings.buckets, line_parts
            )
        except ValueError as error:
            raise SettingsError(str(error)) from error
        steps = [f"applied {step}" for step in applied]
        if (count := await finish(connection, kafka)) is not None:
            steps.append(f"the fleet has {count} partitions: finished what had been cut off")
        count = await fleet.partitions(connection)
    try:
        await create_topics(kafka, count)
        remarks = await check_topics(kafka, count)
    except (TimeoutError, KafkaError, OSError) as error:
        raise no_kafka(kafka, error) from error
    return [
        *steps,
        *(f"warning: {remark}" for remark in remarks),
        "the book and the topics are up to date",
    ]
