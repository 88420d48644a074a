"""Aged books, and the cost of a statement there, by EXPLAIN.

A statement is planned as on a worker's connection: prepared once and executed several times, so
that PostgreSQL chooses between a generic plan and one for these parameters.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg

from benches.events import LAST, customer_id
from benches.history import History, Shape, world_at
from shared.kafka.buckets import bucket_of
from shared.ledger.postgres import baselines, positions, reports, runs
from shared.ledger.postgres.documents import number_all
from shared.ledger.postgres.statements import sql
from shared.schemas.topics import RECHECKS, SIGNUPS
from tests.conftest import BUCKETS, PARTITIONS, ZONE

POLICY = '[[tax]]\ncode = "VAT"\nrate = "5"\nfrom = 2000-01-01\n'
RECORDED = datetime(2026, 2, 2, tzinfo=UTC)
ASKED = 5
"""Number of customers in a batch. A share of the book as small as real batches have."""
WAITING = 40
"""Number of customers whose newest lines the relay has not published."""
EXECUTED = 6
"""From the sixth execution on PostgreSQL may choose a generic plan."""
OTHERS = (
    """
    INSERT INTO book.notice (
        notice_id, customer_id, kind, period, amount, text, segments, status, bucket, position,
        requested_at, phone, language, incarnation
    )
    SELECT
        command_id, customer_id, 'due', period, due, 'Please pay.', 1,
        CASE WHEN period = '2025-12' AND seq % 40 = 1 THEN 'held' ELSE 'sent' END,
        bucket, position, recorded_at, '+8801711000001', 'en', 1
    FROM book.line WHERE kind = 'bill'
    """,
    """
    INSERT INTO book.entitlement (
        customer_id, expires_on, status, seq, bucket, position, changed_at
    )
    SELECT
        customer_id, '2026-02-11', 'active', 1, bucket, nextval('book.entitlement_position'), now()
    FROM book.account
    """,
    """
    INSERT INTO book.payment_reference (method, reference, payments, shared)
    SELECT 'bkash', customer_id, 'payment/' || customer_id, false FROM book.account
    """,
    """
    INSERT INTO book.parked (command_id, customer_id, type, content, reason, parked_at, bucket)
    SELECT 'parked/' || customer_id, customer_id, 'a type', '{}', 'not_signed_up', now(), bucket
    FROM book.account
    """,
    """
    INSERT INTO book.command (
        command_id, customer_id, type, content, outcome, reason, recorded_at, bucket
    )
    SELECT
        'refused/' || customer_id, customer_id, 'a type', '{}', 'refused', 'not_permitted',
        '2026-02-02'::timestamptz - row_number() OVER () * interval '1 minute', bucket
    FROM book.account
    """,
    """
    INSERT INTO book.conflict (
        command_id, digest, customer_id, type, content, ce_id, ce_source, recorded_at, bucket
    )
    SELECT
        'signup/' || customer_id, sha256(customer_id::bytea), customer_id, 'a type', '{}', '1', 'a',
        '2026-02-02'::timestamptz - row_number() OVER () * interval '1 minute', bucket
    FROM book.account
    """,
    """
    INSERT INTO book.outgoing (bucket, topic, key, value, headers)
    SELECT number % 96, 'a topic', number::text::bytea, '{}', '[]'
    FROM generate_series(1, 1000) AS number
    """,
)
"""What a book of this age holds besides its accounts, lines and accepted commands."""


PUBLISHED = """
UPDATE book.relay SET position = coalesce((
    SELECT position FROM book.notice WHERE notice.bucket = relay.bucket
    ORDER BY position DESC OFFSET 3 LIMIT 1
), 0) WHERE stream = 'notice'
"""
"""All notices but the last few of each bucket are published."""


CHECKED = """
UPDATE book.checked SET
    read_at = now(),
    line_position = (
        SELECT position FROM book.relay WHERE stream = 'line' AND relay.bucket = checked.bucket
    )
"""
"""The hourly check has read all that is published."""


@dataclass
class Aged:
    """A book, and customers and lines of it for the parameters of statements."""

    connection: asyncpg.Connection
    customers: int
    some: list[str]
    one: str
    bucket: int
    heads: list[tuple[str, int, bytes]]
    """The last lines of `some`: customer, seq, hash."""
    paid: list[tuple[str, int]]
    """The lines of the last payments of some of `some`."""
    spans: list[list[int]]
    """Positions before and after the newest lines, then outcomes, then conflicting duplicates."""


async def aged(connection: asyncpg.Connection, customers: int, periods: int) -> Aged:
    """Fill an empty book; analysed as autovacuum leaves it."""
    await reports.apply_policy(connection, POLICY, RECHECKS)
    world = world_at(RECORDED, await reports.policies(connection))
    buckets = partial(bucket_of, buckets=BUCKETS)
    history = History(customers, Shape(periods, 90), world, ZoneInfo(ZONE), buckets)
    await history.write(connection)
    await baselines.mark_published(connection)
    await number_all(connection)
    await connection.execute(CHECKED)
    before = await connection.fetchrow(sql("seal_cursor"))
    await history.write_month(connection, WAITING)
    after = await connection.fetchrow(sql("seal_cursor"))
    for statement in OTHERS:
        await connection.execute(statement)
    await runs.add(connection, [runs.NewRun("tick-1", LAST, date(2026, 1, 1), "nightly")])
    await runs.claim(connection, LAST)
    await runs.add_pages(connection, "tick-1")
    await runs.add(connection, [runs.NewRun("tick-2", "2026-02", date(2026, 2, 1), "nightly")])
    asked = [(SIGNUPS, number) for number in range(PARTITIONS)]
    await positions.held(connection, "generator", asked, {}, None)
    await connection.execute(PUBLISHED)
    await baselines.settle_tables(connection)
    some = sorted(customer_id(at * customers // ASKED) for at in range(ASKED))
    lines = {one: await reports.lines_of(connection, one) for one in some}
    return Aged(
        connection,
        customers,
        some,
        some[3],
        buckets(some[3]),
        [(one, of[-1].seq, of[-1].hash) for one, of in lines.items()],
        [(one, of[-1].seq) for one, of in lines.items() if of[-1].kind == "payment"],
        [row[at] for at in (1, 2, 3) for row in (before, after)],
    )


class Cost(NamedTuple):
    """The cost of one execution: buffers (pages of 8 kB), rows that the steps of the plan returned
    or removed, the number of index lookups, the tables with a Seq Scan; and the plan as text."""

    buffers: int
    rows: float
    lookups: float
    scanned: frozenset[str]
    plan: str


async def cost(book: Aged, name: str, parameters: Sequence[Any]) -> Cost:
    """Return the cost of a statement; what it changes is rolled back."""
    connection, statement = book.connection, f"planned_{name}"
    prepared = await connection.prepare(sql(name))
    literals = [
        await _literal(connection, kind.oid, value)
        for kind, value in zip(prepared.get_parameters(), parameters, strict=True)
    ]
    called = f"EXECUTE {statement}" + (f" ({', '.join(literals)})" if literals else "")
    await connection.execute(f"PREPARE {statement} AS {sql(name)}")
    try:
        for _ in range(EXECUTED):
            await _undone(connection, called)
        explained = await _undone(connection, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {called}")
    finally:
        await connection.execute(f"DEALLOCATE {statement}")
    (found,) = json.loads(explained[0][0])
    nodes = list(_nodes(found["Plan"]))
    return Cost(
        sum(found["Plan"].get(f"Shared {each} Blocks", 0) for each in ("Hit", "Read")),
        sum(_touched(node) for node in nodes),
        sum(node["Actual Loops"] for node in nodes if "Index" in node["Node Type"]),
        frozenset(
            node["Relation Name"] for node in nodes if node["Node Type"].endswith("Seq Scan")
        ),
        "\n".join(["", *_outline(found["Plan"])]),
    )


async def _undone(connection: asyncpg.Connection, statement: str) -> Any:
    transaction = connection.transaction()
    await transaction.start()
    try:
        return await connection.fetch(statement)
    finally:
        await transaction.rollback()


async def _literal(connection: asyncpg.Connection, oid: int, value: Any) -> str:
    kind = await connection.fetchval("SELECT $1::oid::regtype::text", oid)
    text = await connection.fetchval(f"SELECT quote_nullable($1::{kind}::text)", value)
    return f"{text}::{kind}"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _outline(plan: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield a line for each step of a plan."""
    named = [
        f"{name.removeprefix('Rows ')}: {plan[name]}"
        for name in plan
        if name.startswith("Rows Removed by") or name in ("Relation Name", "Index Name")
    ]
    gave = f"{plan['Actual Rows']} rows, {plan['Actual Loops']} times"
    yield "  " * depth + "; ".join([plan["Node Type"], *named, gave])
    for below in plan.get("Plans", ()):
        yield from _outline(below, depth + 1)


def _touched(node: dict[str, Any]) -> float:
    """Return the number of rows that a step returned or removed."""
    if node["Actual Loops"] == 0:
        return 0.0
    rows = node["Actual Rows"] + sum(
        count for name, count in node.items() if name.startswith("Rows Removed by")
    )
    return float(rows * node["Actual Loops"])
