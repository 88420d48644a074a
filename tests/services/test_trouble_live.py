"""Trouble with real servers: each command and worker ends with its exit code and one clear line."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from click.testing import CliRunner, Result

from services.console.main import main
from services.workers import WORKERS
from shared.embedded import Kafka
from shared.embedded.preparing import as_role
from tests.services.test_trouble import COMMANDS
from tests.support.live import fresh_topics

SECRET = "a-very-secret-word"
AGAIN_SECONDS = 0.2


async def run(kafka: str, url: str, *arguments: str) -> Result:
    env = {"ROLLFORWARD_KAFKA": kafka, "ROLLFORWARD_DATABASE_URL": url, "ROLLFORWARD_DATA": ""}
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=env)


@asynccontextmanager
async def login(database: str, *grants: str) -> AsyncIterator[tuple[str, asyncpg.Connection]]:
    """Lend the URL of a login of its own, and a connection of the superuser."""
    admin = await asyncpg.connect(database)
    name = f"login_{uuid4().hex[:12]}"
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    try:
        for grant in grants:
            await admin.execute(f"GRANT {grant} TO {name}")
        yield as_role(database, name, SECRET), admin
    finally:
        await admin.execute(f"DROP OWNED BY {name}")
        await admin.execute(f"DROP ROLE {name}")
        await admin.close()


@asynccontextmanager
async def worker(kind: str, kafka: str, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    env = {
        **os.environ,
        "ROLLFORWARD_KAFKA": kafka,
        "ROLLFORWARD_DATABASE_URL": url,
        "ROLLFORWARD_DATA": "",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.console", "worker", kind,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def until_said(process: asyncio.subprocess.Process, words: str) -> None:
    """Return when the worker has logged a message with these words."""
    assert process.stderr is not None
    while words not in (line := (await process.stderr.readline()).decode()):
        assert line, f"the worker ended without saying {words}"


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, list[dict[str, str]]]:
    """Return the exit code and what the worker said as errors; no secret, no traceback."""
    _, said = await process.communicate()
    assert SECRET not in said.decode()
    told = [json.loads(line) for line in said.splitlines()]
    errors = [each for each in told if each["level"] == "error"]
    assert not any("traceback" in each for each in errors), errors
    return process.returncode, errors


async def test_a_wrong_password_is_exit_code_3_for_every_command(
    kafka: Kafka, database: str
) -> None:
    wrong = as_role(database, "rollforward", SECRET)
    for command in COMMANDS:
        result = await run(kafka.bootstrap, wrong, *command)

        assert result.exit_code == 3, (command, result.output)
        (line,) = result.stderr.splitlines()
        assert "does not let us in: password authentication failed" in line
        assert SECRET not in line
        assert result.stdout == ""


async def test_missing_rights_are_exit_code_2_for_every_command(
    kafka: Kafka, database: str
) -> None:
    async with login(database) as (url, _):
        for command in COMMANDS:
            result = await run(kafka.bootstrap, url, *command)

            assert result.exit_code == 2, (command, result.output)
            (line,) = result.stderr.splitlines()
            assert "permission denied" in line
            assert SECRET not in line


async def test_a_database_without_a_connection_left_is_exit_code_3(
    kafka: Kafka, database: str
) -> None:
    async with login(database, "rollforward_reader") as (url, admin), AsyncExitStack() as held:
        name = urlsplit(url).username
        await admin.execute(f"ALTER ROLE {name} CONNECTION LIMIT 1")
        await held.enter_async_context(_open(url))

        for command in COMMANDS:
            result = await run(kafka.bootstrap, url, *command)

            assert result.exit_code == 3, (command, result.output)
            (line,) = result.stderr.splitlines()
            assert "has no connection left for us: too many connections for role" in line


async def test_verify_that_gets_only_one_connection_says_so(database: str) -> None:
    from shared.operator.servers import Unreachable
    from shared.operator.verify import _begin, _check, _Here  # in this process, as in its own

    async with login(database, "rollforward_reader") as (url, admin), _open(url):
        await admin.execute(f"ALTER ROLE {urlsplit(url).username} CONNECTION LIMIT 1")

        await asyncio.to_thread(_begin, url, "00000000-00000000-1")

        with pytest.raises(Unreachable, match="no connection left"):
            _check(("", ""))  # type: ignore[arg-type]
        _Here.missing = None


@pytest.mark.parametrize("kind", WORKERS)
async def test_a_worker_with_a_wrong_password_ends_with_exit_code_3(
    kafka: Kafka, database: str, kind: str
) -> None:
    async with worker(kind, kafka.bootstrap, as_role(database, "rollforward", SECRET)) as process:
        code, errors = await ended(process)

    assert code == 3
    (error,) = errors
    assert "does not let us in: password authentication failed" in error["message"]


async def test_a_worker_without_rights_ends_with_exit_code_2(kafka: Kafka, database: str) -> None:
    async with login(database) as (url, _), worker("relay", kafka.bootstrap, url) as process:
        code, errors = await ended(process)

    assert code == 2
    (error,) = errors
    assert "the login lacks a right: permission denied to set role" in error["message"]


@pytest.mark.parametrize("kind", WORKERS)
async def test_a_password_that_is_changed_under_a_worker_ends_it_and_the_next_start_finds_it(
    kafka: Kafka, database: str, kind: str
) -> None:
    await fresh_topics(kafka.bootstrap)
    async with login(database, "rollforward_writer") as (url, admin):
        name = urlsplit(url).username
        async with worker(kind, kafka.bootstrap, url) as process:
            await _until_sessions(admin, name)
            await admin.execute(f"ALTER ROLE {name} PASSWORD 'another'")
            ending = asyncio.create_task(ended(process))
            while not ending.done():  # whichever session it opens anew
                await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
                    name,
                )
                await asyncio.wait({ending}, timeout=AGAIN_SECONDS)
            code, errors = await ending

        assert code == 3, errors
        assert any("does not let us in: password" in each["message"] for each in errors)


async def test_a_server_that_takes_no_connection_now_is_waited_for(
    kafka: Kafka, database: str
) -> None:
    await fresh_topics(kafka.bootstrap)
    async with login(database, "rollforward_writer") as (url, admin):
        name = urlsplit(url).username
        await admin.execute(f"ALTER ROLE {name} CONNECTION LIMIT 0")
        async with worker("relay", kafka.bootstrap, url) as process:
            await until_said(process, "TooManyConnectionsError")
            await admin.execute(f"ALTER ROLE {name} CONNECTION LIMIT -1")
            await _until_sessions(admin, name)
            process.terminate()
            code, errors = await ended(process)

    assert (code, errors) == (0, [])


@asynccontextmanager
async def _open(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _until_sessions(admin: asyncpg.Connection, name: str | None) -> None:
    """Return when a worker's parts are connected and work."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND query <> ''"
    while not await admin.fetchval(query, name):
        await asyncio.sleep(0.05)
