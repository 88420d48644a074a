"""`verify` in a book whose database had its clock set back, and in one loaded from a dump."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.resources import files

import asyncpg
import pytest

from shared.ledger.postgres import verifying
from shared.ledger.postgres.statements import sql
from shared.operator.verify import verify
from shared.schemas.inbound import command_of
from tests.postgres.kept import Kept, change, payment, signup
from tests.postgres.shown import NOON, show

POLICY = '[[tax]]\ncode = "VAT"\nrate = "5"\nfrom = 2020-01-01\n'
PACKAGE = {"code": "fast", "price": "2000.00"}


@pytest.fixture
async def set_back(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Two customers billed at noon; then the clock is set back an hour, and both change."""
    connection = await asyncpg.connect(database)
    kept = Kept(connection)
    await kept.policy(POLICY)
    await show(connection, NOON - timedelta(hours=2))
    for customer_id in ("karim", "rahim"):
        await kept.tell(signup(customer_id, "2026-01-17"))
    await show(connection, NOON)
    await kept.tick("2026-03-01")
    await show(connection, NOON - timedelta(hours=1))
    for customer_id in ("karim", "rahim"):
        fast = {"package": PACKAGE, "prorate": False}
        await kept.tell(change(f"c-{customer_id}", customer_id, "2026-03-10", "2026-03-02", **fast))
    await kept.tell(payment("p-1", "rahim", "70.00", "2026-03-03"))
    await kept.tell(change("c-2", "karim", "2026-03-20", "2026-03-02", status="suspended"))
    await kept.tick("2026-04-01")
    yield connection
    await connection.close()


async def test_a_clock_that_was_set_back_is_no_fault(
    set_back: asyncpg.Connection, database: str
) -> None:
    verified = await verify(set_back, database, lambda done, total: None)

    assert verified[:3] == (await set_back.fetchval("SELECT count(*) FROM book.line"), 2, None)


async def test_a_book_is_asked_once_whether_its_clock_was_set_back(
    set_back: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a look at the whole book, and each range may have a customer who looks wrong."""
    asked = Counter[str]()

    def counted(name: str) -> str:
        asked[name] += 1
        return sql(name)

    monkeypatch.setattr(verifying, "sql", counted)
    async with set_back.transaction(isolation="repeatable_read", readonly=True):
        ground = await verifying.ground(set_back, command_of)
        for span in (verifying.Range("", "karim"), verifying.Range("karim", None)):
            checked = await verifying.check(set_back, ground, span, command_of)
            assert checked.fault is None

    assert asked["verify_lines"] == 2
    assert asked["verify_clock"] == 1


async def test_tampering_is_found_where_a_clock_was_set_back(
    set_back: asyncpg.Connection, database: str
) -> None:
    await set_back.execute("ALTER TABLE book.command DISABLE TRIGGER USER")
    await set_back.execute("UPDATE book.command SET content = replace(content, '70.00', '71.00')")

    verified = await verify(set_back, database, lambda done, total: None)

    assert "paid is 70.00, expected 71.00" in str(verified.fault)


def test_what_a_dump_does_not_keep_is_not_read() -> None:
    """Another server numbers its transactions from its own beginning."""
    folder = files("shared.ledger.postgres").joinpath("sql")
    read = [file for file in folder.iterdir() if file.name.startswith("verify_")]

    assert len(read) > 5
    assert not any("xid" in file.read_text("utf-8") for file in read)
