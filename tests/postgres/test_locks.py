"""The locks: who may take them, what they cost, and that a reader holds up no writer."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import pytest_asyncio

from shared.embedded.preparing import as_role
from shared.kafka.buckets import bucket_of
from shared.ledger.postgres import outgoing, reports, sealing
from shared.ledger.postgres.migrate import migrate
from shared.ledger.postgres.roles import READER, WRITER, allow_login
from shared.ledger.postgres.statements import sql
from shared.runtime.judge import Judge
from shared.schemas.topics import RECHECKS
from tests.conftest import BUCKETS, PARTITIONS, ZONE
from tests.postgres.booked import Booked, signup
from tests.postgres.kept import Kept, payment
from tests.postgres.kept import signup as told
from tests.postgres.test_meeting import payment as payment_record
from tests.postgres.test_roles import VIEWS

POLICY = "[billing]\ngrace_days = 12\n"
PATIENCE = "20s"
"""A writer that waits for a lock for so long fails its test."""
MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
LOCKS = [f"{kind}_{number}" for kind in ("bucket", "telling") for number in range(BUCKETS)]
LOCKS += ["policy", "relay", "seal"]
ADVISORY = [f"advisory_{of}lock{how}" for of in ("", "xact_") for how in ("", "_shared")]
HELD = """
SELECT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
WHERE relnamespace = 'book_lock'::regnamespace AND granted AND pid = $1 ORDER BY relname
"""
Denied = asyncpg.InsufficientPrivilegeError


@pytest_asyncio.fixture
async def reader(
    connection: asyncpg.Connection, database: str
) -> AsyncIterator[asyncpg.Connection]:
    """A login as rollforward_reader, told to write where it may."""
    await allow_login(connection, READER, "read")
    reader = await asyncpg.connect(
        as_role(database, READER, "read"),
        server_settings={"default_transaction_read_only": "off"},
    )
    yield reader
    await reader.close()


async def work_goes_on(kept: Kept, database: str) -> None:
    """Take every lock as a writer does, and do a bit of all that writes."""
    await kept.connection.execute(f"SET lock_timeout = '{PATIENCE}'; SET ROLE {WRITER}")
    await kept.tell(payment("p-1", "rahim", "100.00", "2026-01-03"))
    await kept.tick("2026-02-01")
    async with kept.connection.transaction():
        await kept.connection.execute(sql("lock_telling"), [1])
        await outgoing.take(kept.connection, [("line", 1)], "60s")
    await reports.apply_policy(kept.connection, POLICY, RECHECKS)
    await sealing.seal(kept.connection)
    await kept.connection.execute("RESET ROLE")
    owner = await asyncpg.connect(database)
    await migrate(owner, PARTITIONS, ZONE, BUCKETS)
    await owner.close()


ATTEMPTS = {
    "advisory locks": [
        *(f"SELECT pg_{name}(7283, b) FROM generate_series(0, 11) AS b" for name in ADVISORY),
        *(f"SELECT pg_{name}(b) FROM generate_series(7280, 7290) AS b" for name in ADVISORY),
        *(f"SELECT pg_try_{name}(b) FROM generate_series(1, 100000) AS b" for name in ADVISORY),
    ],
    "our own locks": [f"LOCK TABLE book_lock.{name} IN {m} MODE" for name in LOCKS for m in MODES],
    "the function": ["SELECT book.lock('{bucket_1}')", "SELECT book.make_locks()"],
    "tables": [
        f"LOCK TABLE book.{name} IN {mode} MODE"
        for name in ("line", "account", "position", "fleet", "migration", "writing")
        for mode in MODES
    ],
    "views": [f"LOCK TABLE report.{view} IN {m} MODE" for view in VIEWS for m in MODES[1:]],
    "rows": [
        f"SELECT * FROM report.{view} FOR {strength}"
        for view in VIEWS
        for strength in ("UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE")
    ],
    "catalogs": [
        f"LOCK TABLE pg_catalog.{name} IN {mode} MODE"
        for name in ("pg_class", "pg_attribute", "pg_authid")
        for mode in MODES[1:]
    ],
    "large objects": [
        "SELECT lo_creat(-1) FROM generate_series(1, 100000)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lo_unlink(1)",
    ],
}


@pytest.mark.parametrize("what", ATTEMPTS)
async def test_a_reader_is_refused_every_lock_that_a_writer_waits_for(
    what: str, reader: asyncpg.Connection
) -> None:
    for statement in ATTEMPTS[what]:
        with pytest.raises(Denied):
            async with reader.transaction():
                await reader.execute(statement)


LINGERING = {
    "reads": [f"SELECT * FROM report.{view}" for view in VIEWS],
    "weak locks": [f"LOCK TABLE report.{view} IN ACCESS SHARE MODE" for view in VIEWS],
    "past statements": ["SELECT report.statement_as_of('rahim', '2026-12-31')"] * 3,
    "an open cursor": [
        "DECLARE slow CURSOR FOR SELECT * FROM report.ledger, report.reconciliation",
        "FETCH 1 FROM slow",
    ],
    "an xid": ["SELECT pg_current_xact_id()"],
    "changes of its own": [
        "ALTER ROLE rollforward_reader SET work_mem = '4MB'",
        "GRANT SELECT ON report.ledger TO rollforward_reader",
        "LISTEN rollforward",
        "NOTIFY rollforward",
    ],
}


@pytest.mark.parametrize("what", LINGERING)
async def test_a_reader_who_lingers_in_a_transaction_holds_up_no_writer(
    what: str, reader: asyncpg.Connection, connection: asyncpg.Connection, database: str
) -> None:
    kept = Kept(connection)
    await kept.tell(told("rahim", "2026-01-01"))
    transaction = reader.transaction()
    await transaction.start()
    for statement in LINGERING[what]:
        await reader.execute(statement)

    await work_goes_on(kept, database)

    paid = await connection.fetchval("SELECT sum(paid)::text FROM report.statement")
    assert paid == "100.00"
    await transaction.rollback()


async def test_a_past_statement_takes_no_lock_but_that_of_any_reader(
    reader: asyncpg.Connection, connection: asyncpg.Connection
) -> None:
    async with reader.transaction():
        await reader.execute("SELECT report.statement_as_of('rahim', '2026-12-31')")
        held = await connection.fetch(
            "SELECT DISTINCT locktype, mode FROM pg_locks WHERE pid = $1", reader.get_server_pid()
        )
    assert {tuple(row) for row in held} == {
        ("relation", "AccessShareLock"),
        ("virtualxid", "ExclusiveLock"),
    }


async def test_a_batch_locks_the_buckets_of_its_customers_whatever_partition_they_came_in(
    books: Booked, database: str
) -> None:
    """All of these records come in partition 0, as from a producer with another partitioner."""
    customers = ["rahim", "karim", "salma"]
    await books.play(*(signup(each, "2026-01-01") for each in customers))
    judge = Judge(ZoneInfo(ZONE), BUCKETS)
    async with books.connection.transaction():
        records = [payment_record(each, f"p-{n}", n) for n, each in enumerate(customers)]
        await judge(books.connection, records)
        held = await books.rows(HELD, books.connection.get_server_pid())

    assert len({bucket_of(each, BUCKETS) for each in customers}) > 1
    wanted = {f"bucket_{bucket_of(each, BUCKETS)}" for each in customers}
    assert {row[0] for row in held} == wanted


async def test_a_seal_at_work_holds_up_no_policy(
    connection: asyncpg.Connection, database: str
) -> None:
    other = await asyncpg.connect(database)
    await other.execute(f"SET lock_timeout = '{PATIENCE}'")
    async with connection.transaction():
        await connection.execute(sql("lock_seal"))
        assert (await reports.apply_policy(other, POLICY, RECHECKS)).new
    await other.close()


async def test_seals_at_once_follow_each_other(books: Booked, database: str) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    connections = [await asyncpg.connect(database) for _ in range(4)]

    made = await asyncio.gather(*map(sealing.seal, connections))

    made.sort()
    assert [each.number for each in made] == [1, 2, 3, 4]
    assert all(later.previous == earlier.hash for earlier, later in pairwise(made))
    for each in connections:
        await each.close()
