"""Defaults that a server, a database or a login may have, and our sessions must not go by."""

import asyncio

import asyncpg
import pytest
from click.testing import CliRunner

from services.console.main import main
from shared.ledger.postgres.shape import expect_fit
from shared.runtime.database import Database
from tests.postgres.kept import Kept, signup

DEFAULTS = (
    "default_transaction_isolation = 'repeatable read'",
    "default_transaction_isolation = 'serializable'",
    "\"DateStyle\" = 'German'",
    "bytea_output = 'escape'",
    "quote_all_identifiers = on",
    "standard_conforming_strings = off",
)


@pytest.mark.parametrize("default", DEFAULTS)
async def test_a_worker_and_verify_go_by_no_default_of_the_database(
    connection: asyncpg.Connection, database: str, default: str
) -> None:
    await Kept(connection).tell(signup("rahim", "2026-01-01"))
    name = database.rpartition("/")[2]
    await connection.execute(f'ALTER DATABASE "{name}" SET {default}')

    worker = Database(database, "test", size=1)
    async with worker.transaction() as lent:
        await expect_fit(lent)
        assert await lent.fetchval("SHOW transaction_isolation") == "read committed"
    await worker.close()
    done = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        ["verify"],
        env={"ROLLFORWARD_DATABASE_URL": database, "ROLLFORWARD_DATA": ""},
    )
    assert (done.exit_code, done.stderr) == (0, "")
