"""PostgreSQL behind TLS, with certificates made for the occasion.

The server itself where one built with TLS is at hand (the wheel's is not): that of
ROLLFORWARD_TEST_POSTGRES_BIN or an installed one. Elsewhere a door before the wheel's server,
which answers PostgreSQL's request for TLS and lets nobody in without.
"""

import asyncio
import contextlib
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg

from shared.runtime.embedded import DataFolder, Postgres

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
HBA = "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"


class Pair(NamedTuple):
    """A certificate that is its own authority, and its key: two PEM files."""

    certificate: Path
    key: Path


def pair(folder: Path, name: str) -> Pair:
    """Make a certificate for the loopback address."""
    made = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", made.key, "-out", made.certificate),
        ],
        check=True,
        capture_output=True,
    )
    return made


def with_tls() -> Path | None:
    """Return the programs of a PostgreSQL that was built with TLS, None where there is none."""
    named = os.environ.get("ROLLFORWARD_TEST_POSTGRES_BIN")
    found = [Path(named)] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    for each in reversed(found):
        if (each / "postgres").exists() and b"libssl.so" in (each / "postgres").read_bytes():
            return each
    return None


@asynccontextmanager
async def postgres_behind_tls(home: Path, server: Pair, client: Pair) -> AsyncIterator[str]:
    """Run a PostgreSQL that accepts only TLS and only that client; yield its URL, no options."""
    folder = DataFolder(home)
    folder.lock()
    programs = with_tls()
    postgres = Postgres(folder, bin_dir=programs)
    await postgres.start()
    try:
        if programs is None:
            async with _door(postgres.admin_url, server, client) as url:
                yield url
        else:
            await _close_to_all_but_tls(postgres, home / "postgres" / "data", server, client)
            yield postgres.admin_url
    finally:
        await postgres.stop()
        folder.unlock()


async def _close_to_all_but_tls(postgres: Postgres, data: Path, server: Pair, client: Pair) -> None:
    owner = data.stat()
    for name, source in (
        ("server.crt", server.certificate),
        ("server.key", server.key),
        ("root.crt", client.certificate),
    ):
        place = data / name
        place.write_bytes(source.read_bytes())
        os.chown(place, owner.st_uid, owner.st_gid)
        place.chmod(0o600)
    connection = await asyncpg.connect(postgres.admin_url)
    for setting in ("ssl = on", "ssl_ca_file = 'root.crt'"):
        await connection.execute(f"ALTER SYSTEM SET {setting}")
    await connection.close()
    (data / "pg_hba.conf").write_text(HBA, "ascii")
    await postgres.stop()
    await postgres.start()


@asynccontextmanager
async def _door(url: str, server: Pair, client: Pair) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server)
    context.load_verify_locations(client.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    behind = urlsplit(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                there, back = await asyncio.open_connection(behind.hostname, behind.port)
                ways = [
                    asyncio.create_task(_pass_on(*way)) for way in ((reader, back), (there, writer))
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                back.close()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    login = behind.netloc.rpartition("@")[0]
    try:
        yield behind._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()
    finally:
        listening.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
