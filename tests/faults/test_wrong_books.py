"""A book that a release cannot work on is nobody's data: workers end, nobody is quarantined,
nothing is parked, and everything is applied once the book is mended."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from services.workers import WORKERS, worker_command
from shared.embedded import Kafka
from shared.runtime.settings import Settings, inherited_environment
from shared.schemas.publish import binary
from tests.services.test_bad_input_live import PAYMENT, payment, signup
from tests.support.live import live

CUSTOMERS = [f"c-{number}" for number in range(3)]
CHECK = """
CREATE OR REPLACE FUNCTION book.check_chain() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN {} END'
"""
WRONG: dict[str, tuple[str, str | None]] = {
    "column renamed": (
        "ALTER TABLE book.line RENAME COLUMN actor TO who",
        "ALTER TABLE book.line RENAME COLUMN who TO actor",
    ),
    "table renamed": (
        "ALTER TABLE book.command RENAME TO commands",
        "ALTER TABLE book.commands RENAME TO command",
    ),
    "column of another type": (
        """DROP VIEW report.command, report.refusal, report.payment, book.money CASCADE;
        ALTER TABLE book.command ALTER content TYPE bytea USING convert_to(content, 'UTF8')""",
        "ALTER TABLE book.command ALTER content TYPE text USING convert_from(content, 'UTF8')",
    ),
    "column that must be given": (
        """ALTER TABLE book.line ADD why text NOT NULL DEFAULT '';
        ALTER TABLE book.line ALTER why DROP DEFAULT""",
        "ALTER TABLE book.line DROP why",
    ),
    "row level security": (
        "ALTER TABLE book.account ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE book.account DISABLE ROW LEVEL SECURITY",
    ),
    "row level security on a table that is only asked": (
        "ALTER TABLE book.quarantine ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE book.quarantine DISABLE ROW LEVEL SECURITY",
    ),
    "check added": (
        "ALTER TABLE book.line ADD CONSTRAINT small CHECK (paid < 1) NOT VALID",
        "ALTER TABLE book.line DROP CONSTRAINT small",
    ),
    "identity dropped": (
        "ALTER TABLE book.command ALTER position DROP IDENTITY",
        """ALTER TABLE book.command ALTER position ADD GENERATED ALWAYS AS IDENTITY;
        SELECT setval(pg_get_serial_sequence('book.command', 'position'), 1000);
        GRANT SELECT ON SEQUENCE book.command_position_seq TO rollforward_writer""",
    ),
    "foreign trigger": (
        """CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$;
        CREATE TRIGGER no BEFORE INSERT ON book.line EXECUTE FUNCTION public.no()""",
        "DROP TRIGGER no ON book.line",
    ),
    "sequence at its end": (
        "SELECT setval('book.line_position_seq', 9223372036854775807)",
        "SELECT setval('book.line_position_seq', 1000)",
    ),
    "rights revoked": (
        "REVOKE INSERT ON book.line FROM rollforward_writer",
        "GRANT INSERT ON book.line TO rollforward_writer",
    ),
    "function that raises": (CHECK.format("RAISE EXCEPTION ''no'';"), None),
    "function that divides by zero": (CHECK.format("PERFORM 1 / 0;"), None),
}


class Book:
    """The book from the outside: what a test changes and looks at."""

    def __init__(self, kafka: str, url: str, folder: Path) -> None:
        self.kafka, self.url, self.folder = kafka, url, folder
        self.producer = AIOKafkaProducer(bootstrap_servers=kafka)

    async def rows(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url)
        await connection.execute(statement)
        await connection.close()

    async def change(self, name: str) -> tuple[str, str]:
        """Return the statements that break the book, and that mend it again."""
        broken, mended = WRONG[name]
        if mended is None:
            ((mended,),) = await self.rows("SELECT pg_get_functiondef('book.check_chain'::regproc)")
        return broken, mended

    async def until(self, query: str, wanted: list[Any]) -> None:
        while await self.rows(query) != wanted:
            await asyncio.sleep(0.02)

    async def pay(self, name: str) -> None:
        for customer_id in CUSTOMERS:
            await self.send(PAYMENT, payment(f"{name}-{customer_id}", customer_id=customer_id))

    async def send(self, kind: str, data: dict[str, Any]) -> None:
        topic, key, value, headers = binary(kind, data, data.get("payment_id", "t"), "test")
        await self.producer.send_and_wait(topic, value, key, headers=headers)

    def log(self, kind: str) -> Path:
        return self.folder / f"{kind}.log"

    def said(self, kind: str) -> list[str]:
        """Return the errors in a worker's log; each is one line, a JSON object."""
        lines = [json.loads(line) for line in self.log(kind).read_text("utf-8").splitlines()]
        errors = [line for line in lines if line["level"] == "error"]
        assert not any("traceback" in line for line in errors), errors
        return [line["message"] for line in errors]

    @asynccontextmanager
    async def worker(self, kind: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a worker as a process of its own, with a log of its own."""
        settings = Settings(kafka=self.kafka, database_url=self.url)
        environment = inherited_environment(**settings.environment())
        with self.log(kind).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *worker_command(kind), stdout=log, stderr=log, env=environment
            )
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                    await process.wait()


@pytest.fixture
async def book(kafka: Kafka, database: str, tmp_path: Path) -> AsyncIterator[Book]:
    """A book with some customers, and nobody at work on it."""
    book = Book(kafka.bootstrap, database, tmp_path)
    async with live(kafka.bootstrap, database, ["generator"]) as fleet:
        for customer_id in CUSTOMERS:
            await fleet.publish("billing.customer.signed_up.v1", signup(customer_id))
        await book.until("SELECT count(*)::int FROM report.ledger", [(len(CUSTOMERS),)])
    async with book.producer:
        yield book


async def expect_nobody_set_apart(book: Book) -> None:
    apart = await book.rows("SELECT customer_id FROM report.quarantine")
    assert (apart, await book.rows("SELECT command_id FROM report.parked")) == ([], [])


PAYMENTS = "SELECT count(*)::int FROM book.command WHERE command_id LIKE 'payment/%'"


@pytest.mark.parametrize("change", WRONG)
async def test_a_book_changed_under_a_worker_ends_it_and_is_nobodys_data(
    book: Book, change: str
) -> None:
    broken, mended = await book.change(change)
    async with book.worker("collector") as collector:
        await book.pay("before")
        await book.until(PAYMENTS, [(3,)])
        await book.execute(broken)
        await book.pay("meanwhile")
        assert await collector.wait() == 2
    (said,) = [each for each in book.said("collector") if " ends: " in each]
    async with book.worker("collector") as again:
        assert await again.wait() == 2
    assert len(book.said("collector")) == 1, "one clear line"

    await book.execute(mended)
    assert await book.rows(PAYMENTS) == [(3,)], said
    await expect_nobody_set_apart(book)
    async with book.worker("collector"):
        await book.pay("after")
        await book.until(PAYMENTS, [(9,)])
    await expect_nobody_set_apart(book)


SILENT = {
    # Which of the two is said depends on who looks first: a look at the shape, or a new connection.
    "ALTER TABLE book.line DISABLE TRIGGER chain_holds":
        "trigger chain_holds of book.line is dis|book.line lacks its check of the chain",
    """CREATE TRIGGER mine BEFORE UPDATE ON book.run FOR EACH ROW
        EXECUTE FUNCTION suppress_redundant_updates_trigger()""":
        "trigger mine of book.run is not known to this release",
}  # fmt: skip
"""Changes by which no batch fails."""


@pytest.mark.parametrize(("change", "said"), SILENT.items(), ids=["disabled", "foreign"])
async def test_a_change_by_which_no_batch_fails_ends_every_worker_that_runs(
    book: Book, change: str, said: str
) -> None:
    async with AsyncExitStack() as stack:
        workers = {kind: await stack.enter_async_context(book.worker(kind)) for kind in WORKERS}
        await book.pay("before")
        await book.until(PAYMENTS, [(3,)])
        await book.execute(change)
        assert {kind: await each.wait() for kind, each in workers.items()} == dict.fromkeys(
            WORKERS, 2
        )
    for kind in WORKERS:
        (told,) = book.said(kind)
        assert re.search(said, told)
        assert "nobody is set apart for it. Put it back" in told
    await expect_nobody_set_apart(book)


async def test_a_release_started_before_migrate_ends_at_once_and_nobody_pays_for_it(
    book: Book,
) -> None:
    ((last,),) = await book.rows("SELECT max(name) FROM book.migration")
    await book.execute(f"DELETE FROM book.migration WHERE name = '{last}'")
    await book.pay("early")

    for kind in ("coordinator", "generator", "collector", "notifier", "relay"):
        async with book.worker(kind) as worker:
            assert await worker.wait() == 2
        (said,) = book.said(kind)
        assert f"lacks {last}: run `rollforward migrate`" in said

    await book.execute(f"INSERT INTO book.migration (name) VALUES ('{last}')")
    async with book.worker("collector"):
        await book.until(PAYMENTS, [(3,)])
    await expect_nobody_set_apart(book)


@pytest.mark.parametrize("change", ["rights revoked", "function that divides by zero"])
async def test_a_run_on_a_wrong_book_quarantines_nobody_and_is_done_after_the_mend(
    book: Book, change: str
) -> None:
    broken, mended = await book.change(change)
    tick = {"tick_id": "t", "period": "2026-02", "as_of": "2026-02-01", "trigger": "nightly"}
    async with book.worker("coordinator"):
        async with book.worker("generator") as generator:
            await book.send("billing.customer.signed_up.v1", signup("c-new"))
            await book.until("SELECT count(*)::int FROM book.line", [(len(CUSTOMERS) + 1,)])
            await book.execute(broken)
            await book.send("billing.tick.v1", tick)
            assert await generator.wait() == 2
        # Before the tick was judged the coordinator may have noticed, and ended.
        runs = await book.rows("SELECT status, quarantined FROM report.run")
        assert runs in ([], [("running", 0)])

    await book.execute(mended)
    async with book.worker("coordinator"), book.worker("generator"):
        await book.until("SELECT status, billed, quarantined FROM report.run",
                         [("done", len(CUSTOMERS) + 1, 0)])  # fmt: skip
    await expect_nobody_set_apart(book)


async def test_a_migration_that_adds_under_a_worker_is_no_trouble_to_it(book: Book) -> None:
    async with book.worker("collector"):
        await book.pay("before")
        await book.until(PAYMENTS, [(3,)])
        await book.execute(
            "ALTER TABLE book.line ADD note text; ALTER TABLE book.account ADD note text;"
            "CREATE TABLE book.later (number integer);"
            "INSERT INTO book.migration (name) VALUES ('9998_later.sql')"
        )
        await book.pay("after")
        await book.until(PAYMENTS, [(6,)])
    assert book.said("collector") == []
    await expect_nobody_set_apart(book)
