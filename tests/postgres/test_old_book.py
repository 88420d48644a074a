"""A book that the release before the second form has written, brought up to date.

`old_book/book.sql` holds its rows as pg_dump wrote them: 33 customers, a cancelled bill, refusals,
a conflict, what waits and is quarantined, two seals, a restore, lines that the relay had not
published, and a run that was interrupted. `seal-1.json` and `seal-2.json` are those seals, kept
elsewhere.
"""

from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from shared.embedded import Postgres
from shared.ledger.audit.seal import read_seal
from shared.ledger.postgres import outgoing, sealing
from shared.ledger.postgres.migrate import migrate, steps
from shared.operator.verify import verify
from tests.conftest import BUCKETS, PARTITIONS, ZONE
from tests.postgres.booked import bucket
from tests.postgres.kept import Kept, payment, signup
from tests.postgres.leaving import BYTES, EVERYTHING, ROWS

OLD = Path(__file__).parent / "old_book"
BEFORE = "0006"
UNPUBLISHED = 8
TABLES = ("line", "command", "conflict", "parked", "notice", "account", "quarantine")
CUSTOMER = 11
"""So many columns the view of customers had; it has more of them since."""
VIEWS = "SELECT * FROM report.{} ORDER BY 1, 2, 3"


async def old(url: str) -> asyncpg.Connection:
    """Make the book of before in an empty database, with a reader of its views."""
    connection = await asyncpg.connect(url)
    for name, text in steps():
        if name < BEFORE:
            await connection.execute(text)
            await connection.execute("INSERT INTO book.migration (name) VALUES ($1)", name)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("DELETE FROM book.relay")
    await connection.execute("ALTER TABLE book.line DISABLE TRIGGER chain_holds")
    await connection.execute((OLD / "book.sql").read_text("utf-8"))
    await connection.execute("ALTER TABLE book.line ENABLE ALWAYS TRIGGER chain_holds")
    await connection.execute("RESET session_replication_role")
    await connection.execute("UPDATE book.migration SET applied_at = '2026-01-01Z'")
    return connection


@pytest.fixture
async def book(postgres: Postgres, template: str) -> Any:
    name = f"old_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres.admin_url)
    await admin.execute(f"CREATE DATABASE {name}")
    connection = await old(f"{postgres.admin_url.rpartition('/')[0]}/{name}")
    yield connection
    await connection.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def shown(connection: asyncpg.Connection) -> dict[str, list[Any]]:
    views = (
        "ledger",
        "statement",
        "customer",
        "invoice",
        "command",
        "refusal",
        "notice",
        "coverage",
    )
    rows = {view: await connection.fetch(VIEWS.format(view)) for view in views}
    return {
        view: [tuple(row)[: CUSTOMER if view == "customer" else None] for row in found]
        for view, found in rows.items()
    }


async def test_a_book_of_the_release_before_is_the_same_book_afterwards(
    book: asyncpg.Connection, postgres: Postgres
) -> None:
    url = await url_of(book, postgres)
    counts = {t: await book.fetchval(f"SELECT count(*) FROM book.{t}") for t in TABLES}
    before = await shown(book)
    published = await book.fetchval(
        "SELECT count(*) FROM book.line, book.relay WHERE stream = 'line'"
        " AND (line.xid, line.position) <= (relay.xid, relay.position)"
    )
    waiting = await book.fetchval("SELECT count(*) FROM book.outgoing")
    await book.execute("CREATE ROLE grafana_" + url[-8:])
    await book.execute(f"GRANT SELECT ON report.statement TO grafana_{url[-8:]}")

    await migrate(book, PARTITIONS, ZONE, BUCKETS)

    assert await shown(book) == before
    for table, count in counts.items():
        rows = await book.fetch(f"SELECT customer_id, bucket FROM book.{table}")
        assert len(rows) == count
        assert all(row["bucket"] == bucket(row["customer_id"]) for row in rows if row[0]), table
    # Nothing is published twice, nothing is passed over, and all is in order.
    lines = await outgoing.next_lines(book, await _cursors(book), ROWS)
    assert len(lines) == counts["line"] - published == UNPUBLISHED
    assert {each.incarnation for each in lines} == {1, 2}
    assert len(await outgoing.next_rows(book, EVERYTHING, ROWS, BYTES)) == waiting
    # The proofs of before still hold, the seals that were kept elsewhere too.
    for number in (1, 2):
        kept = read_seal((OLD / f"seal-{number}.json").read_text("utf-8"))
        verified = await verify(book, url, lambda done, total: None, kept)
        assert (verified.fault, verified.seal) == (None, None)
        assert verified.lines == counts["line"]
    role = f"grafana_{url[-8:]}"
    assert await book.fetchval("SELECT has_table_privilege($1, 'report.statement', 'SELECT')", role)
    await book.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_book_of_the_release_before_goes_on(
    book: asyncpg.Connection, postgres: Postgres
) -> None:
    """Payments, signups, the run that was interrupted, and seals of the new form."""
    url = await url_of(book, postgres)
    await migrate(book, PARTITIONS, ZONE, BUCKETS)
    kept = Kept(book)
    sealed = await sealing.seal(book)
    assert not sealed.covers_all

    await kept.tell(payment("p-9", "rahim", "5.00", "2026-03-01"), signup("new", "2026-03-01"))
    await kept.finish("2026-03")
    billed = await book.fetchval(
        "SELECT count(*) FROM report.customer WHERE billed_through > '2026-03-01'"
    )
    run = await book.fetchrow("SELECT * FROM report.run WHERE tick_id = 'march'")
    again = await sealing.seal(book)

    assert run["status"] == "done"
    customers = await book.fetchval("SELECT count(*) FROM book.account")
    assert billed == customers - 1, "all but who is quarantined"
    assert run["billed"] == billed - 1, "all but who has signed up in March"
    assert again.lines > 0
    verified = await verify(book, url, lambda done, total: None)
    assert (verified.fault, verified.seal) == (None, None)


async def test_a_seal_of_before_finds_what_was_changed_since(
    book: asyncpg.Connection, postgres: Postgres
) -> None:
    url = await url_of(book, postgres)
    await migrate(book, PARTITIONS, ZONE, BUCKETS)
    await book.execute("ALTER TABLE book.command DISABLE TRIGGER append_only")
    await book.execute("UPDATE book.command SET ce_id = 'other' WHERE command_id = 'payment/p-1'")
    kept = read_seal((OLD / "seal-1.json").read_text("utf-8"))

    verified = await verify(book, url, lambda done, total: None, kept)

    assert verified.fault is None
    assert "the root over heads and outcomes up to seal 1" in str(verified.seal)


async def url_of(connection: asyncpg.Connection, postgres: Postgres) -> str:
    name = await connection.fetchval("SELECT current_database()")
    return f"{postgres.admin_url.rpartition('/')[0]}/{name}"


async def _cursors(connection: asyncpg.Connection) -> dict[tuple[str, int], int]:
    rows = await connection.fetch("SELECT stream, bucket, position FROM book.relay")
    return {(row["stream"], row["bucket"]): row["position"] for row in rows}
