"""Connections to PostgreSQL: made here and nowhere else, for every worker and command.

asyncpg reads the URL as libpq does: `sslmode`, `sslrootcert`, `sslcert` and `sslkey` mean the same
to all (deploy/README.md). Session settings are sent after the connection is made, not in its
startup packet: PgBouncer refuses parameters there that it does not know.
"""

import ssl

import asyncpg

from shared.ledger.postgres.roles import set_session

SECONDS_MAX = 10
"""How long a server may take to accept a connection."""


ALWAYS = {
    # A batch must see what was committed while it waited for its locks. In a snapshot from before,
    # it would write lines that are there already, and customers would be set apart for it.
    "default_transaction_isolation": "read committed",
    # How values and definitions are written as text, which we read or compare.
    "DateStyle": "ISO",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
}
"""Set in every session, whatever the server, the database or the login has as its default."""


class NotLetIn(Exception):
    """PostgreSQL answers, but one side does not accept the other: a certificate, a password, a
    role. The message says which; trying again does not help."""


async def connect(
    url: str,
    name: str,
    settings: dict[str, str] | None = None,
    *,
    role: str | None = None,
    command_seconds_max: float | None = None,
) -> asyncpg.Connection:
    """Return a connection named `rollforward-NAME`, acting as `role`, with these session settings.

    Raises NotLetIn, OSError or TimeoutError when the server is away, and asyncpg's own errors for
    the rest. None of them holds a password.
    """
    try:
        connection = await asyncpg.connect(
            url,
            timeout=SECONDS_MAX,
            command_timeout=command_seconds_max,
            server_settings={"application_name": f"rollforward-{name}"},
        )
    except ssl.SSLCertVerificationError as error:
        raise NotLetIn(
            f"the server's certificate is not trusted: {error.verify_message}; "
            "look at sslrootcert and the host name of the database URL"
        ) from None
    except ssl.SSLError as error:
        raise NotLetIn(
            f"TLS fails: {error.reason or error}; look at sslrootcert, sslcert and sslkey of the "
            "database URL"
        ) from None
    except asyncpg.ClientConfigurationError as error:
        raise NotLetIn(f"the database URL cannot be used: {error}") from None
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise NotLetIn(f"{error}; look at the login and password of the database URL") from None
    try:
        role_too = {"role": role} if role else {}
        await set_session(connection, {**ALWAYS, **(settings or {}), **role_too})
    except BaseException:
        connection.terminate()
        raise
    return connection
