"""What an embedded fleet does once its servers answer: set the book, its roles and topics up."""

from shared.embedded.fleet import Prepare, Roles, Servers, as_role
from shared.ledger.postgres.roles import READER, WRITER, allow_login
from shared.operator.servers import database
from shared.operator.set_up import set_up
from shared.runtime.settings import Settings


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
