"""A PgBouncer in front of a PostgreSQL, in session mode, set as deploy/README.md describes."""

import asyncio
import os
import pwd
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SETTINGS = """\
[databases]
* = host={host} port={there}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {here}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = session
default_pool_size = 60
"""


@asynccontextmanager
async def pgbouncer(url: str, folder: Path) -> AsyncIterator[str]:
    """Run a PgBouncer for the login of a URL; yield the URL that leads through it."""
    assert PROGRAM is not None
    behind = urlsplit(url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        here = free.getsockname()[1]
    users, settings = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{behind.username}" "{unquote(behind.password or "")}"\n')
    settings.write_text(
        SETTINGS.format(host=behind.hostname, there=behind.port, here=here, users=users)
    )
    account = None
    if os.geteuid() == 0:  # it refuses to be root
        account = pwd.getpwnam("nobody").pw_uid
        for each in (folder, users, settings):
            os.chown(each, account, -1)
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "-q", settings.name, cwd=folder, user=account
    )
    try:
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", here)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.02)
        login = behind.netloc.rpartition("@")[0]
        yield behind._replace(netloc=f"{login}@127.0.0.1:{here}").geturl()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
