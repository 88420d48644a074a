"""The whole fleet behind a PgBouncer in session mode."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.ledger.postgres import verifying
from shared.runtime.connecting import connect
from shared.runtime.database import Database
from shared.runtime.embedded import Kafka
from tests.services.test_console_live import PAYMENT, SIGNUP
from tests.services.test_tls_live import run
from tests.support.live import live
from tests.support.pgbouncer import PROGRAM, pgbouncer

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs the program pgbouncer")

SESSION = """
SELECT current_user::text, current_setting('idle_in_transaction_session_timeout'),
    current_setting('jit'), pg_backend_pid()
"""


@pytest_asyncio.fixture
async def pooled(database: str) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        async with pgbouncer(database, Path(folder)) as url:
            yield url


async def test_a_fleet_bills_and_proves_through_pgbouncer(
    kafka: Kafka, pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "LINES_PER_RANGE", 1)
    migrated = await run(kafka, pooled, "migrate")
    assert migrated.exit_code == 0, migrated.output
    async with live(kafka.bootstrap, pooled) as fleet:
        for name in ("rahim", "karim"):
            await fleet.publish("billing.customer.signed_up.v1", {**SIGNUP, "customer_id": name})
        await fleet.publish("billing.payment.received.v1", PAYMENT)
        await fleet.settle()
        tick = {"tick_id": "t", "period": "2026-02", "as_of": "2026-02-01", "trigger": "nightly"}
        await fleet.publish("billing.tick.v1", tick)
        await fleet.settle()
        for command in (
            ("statement", "rahim"),
            ("statement", "rahim", "--as-of", "2026-01-01T00:00:00Z"),
            ("rehearse", "--as-of", "2026-03-01"),
            ("seal",),
            ("verify",),
        ):
            result = await run(kafka, pooled, *command)
            assert result.exit_code == 0, result.output
        (figures,) = await fleet.rows("SELECT * FROM report.reconciliation")
        lines = await fleet.rows("SELECT FROM report.ledger")

    assert set(figures.values()) == {0}
    assert len(lines) == 2 + 1 + 2


async def test_a_session_is_set_as_it_would_be_without_and_leaves_nothing_behind(
    pooled: str,
) -> None:
    database = Database(pooled, "test", size=1)
    async with database.connection() as connection:
        user, patience, jit, backend = await connection.fetchrow(SESSION)
    await database.close()
    after = await connect(pooled, "test")

    assert (user, patience, jit) == ("rollforward_writer", "30s", "off")
    user, patience, _, same = await after.fetchrow(SESSION)
    assert same == backend, "PgBouncer lends the same session again"
    assert user != "rollforward_writer"
    assert patience != "30s"
    await after.close()
