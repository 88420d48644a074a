"""Sets a fleet up: the book, its roles and the topics. Safe to repeat."""

from aiokafka.errors import KafkaError

from shared.kafka.broker import check_topics, create_topics
from shared.ledger.postgres.migrate import migrate
from shared.operator.servers import database, no_kafka
from shared.runtime.settings import Settings, SettingsError


async def set_up(kafka: str, database_url: str, settings: Settings) -> list[str]:
    """Bring the book and the topics up to date; return a line for each step.

    Raises Unreachable when a server is away, SettingsError when the fleet was set up with
    another zone or partition count, WrongTopics when a topic cannot be used as it is.
    """
    async with database(database_url, migrated=False) as connection:
        try:
            steps = await migrate(
                connection, settings.partitions, settings.zone.key, settings.buckets
            )
        except ValueError as error:
            raise SettingsError(str(error)) from error
    try:
        await create_topics(kafka, settings.partitions)
        remarks = await check_topics(kafka, settings.partitions)
    except (TimeoutError, KafkaError, OSError) as error:
        raise no_kafka(kafka, error) from error
    return [
        *(f"applied {step}" for step in steps),
        *(f"warning: {remark}" for remark in remarks),
        "the book and the topics are up to date",
    ]
