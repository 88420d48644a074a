"""Sets up the book, its roles and the topics of a fleet on one machine, once its servers answer."""

from urllib.parse import quote, urlsplit

from shared.embedded.fleet import Prepare, Roles, Servers
from shared.ledger.postgres.roles import READER, WRITER, allow_login, close_other_databases
from shared.operator.servers import database
from shared.operator.set_up import set_up
from shared.runtime.settings import Settings


def prepare(settings: Settings) -> Prepare:
    """Return the function that `Fleet` calls before the workers start."""

    async def prepared(servers: Servers) -> Roles:
        await set_up(servers.kafka, servers.database_admin, settings)
        urls = []
        async with database(servers.database_admin) as connection:
            for role in (WRITER, READER):
                password = servers.password(role)
                await allow_login(connection, role, password)
                urls.append(as_role(servers.database_admin, role, password))
            if settings.database_url is None:  # an embedded server, which serves nobody else
                await close_other_databases(connection)
        return Roles(*urls)

    return prepared


def as_role(url: str, role: str, password: str) -> str:
    """Return the database URL for another role."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    login = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{login}@{address}").geturl()
