"""Setting a fleet up: the book, its roles and the topics. Done again it finds all done."""

from aiokafka.errors import KafkaError

from shared.ledger.postgres.migrate import migrate
from shared.ledger.postgres.roles import READER, WRITER, allow_login
from shared.runtime.broker import check_topics, create_topics
from shared.runtime.servers import database, no_kafka
from shared.runtime.settings import Settings, SettingsError
from shared.runtime.supervisor import Prepare, Roles, Servers, as_role


async def set_up(kafka: str, database_url: str, settings: Settings) -> list[str]:
    """Bring the book and the topics up to date; return what was done, a line each.

    Raises Unreachable when a server is away, SettingsError when the fleet was set up with
    another zone or partition count, WrongTopics when a topic cannot be used as it is.
    """
    async with database(database_url, migrated=False) as connection:
        try:
            steps = await migrate(connection, settings.partitions, settings.zone.key)
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


def prepare(settings: Settings) -> Prepare:
    """Return what an embedded fleet does before its workers start."""

    async def prepared(servers: Servers) -> Roles:
        await set_up(servers.kafka, servers.database_admin, settings)
        urls = []
        async with database(servers.database_admin) as connection:
            for role in (WRITER, READER):
                password = servers.password(role)
                await allow_login(connection, role, password)
                urls.append(as_role(servers.database_admin, role, password))
        return Roles(*urls)

    return prepared
