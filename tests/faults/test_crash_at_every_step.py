"""A worker dies before and after each step of its batch, and its successor makes it good.

The machine is played once undisturbed: every stage, from a parked payment to the notices of a
cascade. Then each stage is played again for each of its steps, dying there, and once more
from what PostgreSQL and Kafka kept. Ledger, outcomes, notices and all that leaves must be the same.
"""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from services.coordinator import runs
from services.coordinator.runs import Runs
from services.coordinator.ticks import TickJudge
from services.generator.pages import Pages
from services.notifier.notifier import Notifier
from shared.embedded import Postgres
from shared.kafka.buckets import bucket_of
from shared.ledger.postgres import reports
from shared.ledger.postgres.migrate import migrate
from shared.ledger.postgres.statements import sql
from shared.operator.retry import _retry_one
from shared.runtime import reading
from shared.runtime.backoff import Backoff
from shared.runtime.committing import Handler
from shared.runtime.health import Health
from shared.runtime.judge import Judge
from shared.runtime.loop import Loop
from shared.runtime.positions import Keeper
from shared.runtime.relay import Relay
from shared.schemas.publish import binary
from shared.schemas.topics import LEDGER, PAGES, PAYMENTS, RECHECKS, SIGNUPS, TICKS
from tests.support.crashing import (
    Asker,
    Consumer,
    Database,
    Killed,
    Log,
    Present,
    Producer,
    Steps,
)

ZONE = ZoneInfo("Asia/Dhaka")
NOW = datetime(2026, 4, 3, tzinfo=ZONE)
BUCKETS = 2
CUSTOMERS = ("c-1", "c-2")
POLICY = """
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
[[staff]]
id = "boss"
may = ["discount", "cancel", "refund", "adjust", "bill_up_to", "rebill"]
"""


class Machine(NamedTuple):
    """What a worker has around it: its database, Kafka's log, and the steps that it takes."""

    url: str
    log: Log
    steps: Steps

    @property
    def database(self) -> Any:
        return Database(self.url, self.steps)


Stage = Callable[[Machine], Awaitable[None]]


# Events -------------------------------------------------------------------------------------


def publish(log: Log, kind: str, customer_id: str | None, **data: Any) -> None:
    if customer_id is not None:
        data["customer_id"] = customer_id
    log.append(binary(f"billing.{kind}.v1", data, f"e-{len(log.records)}", "test"))


def sign_up(log: Log, customer_id: str, **more: Any) -> None:
    publish(
        log,
        "customer.signed_up",
        customer_id,
        **{
            "signed_up_at": "2026-01-05T10:00:00+06:00",
            "joined_on": "2026-01-01",
            "name": "Rahim",
            "phone": "+8801711000001",
            "package": {"code": "home", "price": "1000.00"},
            "cycle": {"kind": "start_of_month"},
            **more,
        },
    )


def pay(log: Log, payment_id: str, customer_id: str, amount: str = "100.00", **more: Any) -> None:
    publish(
        log,
        "payment.received",
        customer_id,
        payment_id=payment_id,
        amount=amount,
        method="cash",
        channel="field",
        received_at="2026-01-20T10:00:00+06:00",
        actor="field-1",
        **more,
    )


def cancel(log: Log, cancellation_id: str, customer_id: str, target: str) -> None:
    publish(
        log,
        "cancellation.requested",
        customer_id,
        cancellation_id=cancellation_id,
        cancels=target,
        requested_at="2026-04-02T10:00:00+06:00",
        actor="boss",
        reason="mistake",
    )


def break_(log: Log, topic: str) -> None:
    log.append((topic, b"c-1", b"{", [("h", b"\xff")]))


def too_early(log: Log) -> None:
    pay(log, "early", "c-1", reference="r-1")
    cancel(log, "early", "c-1", "payment/early")
    pay(log, "early-2", "c-1")


def signups(log: Log) -> None:
    for customer_id in CUSTOMERS:
        sign_up(log, customer_id)
    sign_up(log, "c-1")
    sign_up(log, "c-1", name="Karim")
    break_(log, SIGNUPS)


def ticks(log: Log) -> None:
    tick = {"tick_id": "t-1", "period": "2026-04", "as_of": "2026-04-01", "trigger": "nightly"}
    publish(log, "tick", None, **tick)
    publish(log, "tick", None, **tick)
    publish(log, "tick", None, **{**tick, "tick_id": "t-2", "as_of": "2027-04-01"})


def payments(log: Log) -> None:
    for number, customer_id in enumerate(CUSTOMERS):
        pay(log, f"p-{number}", customer_id, reference=f"r-{number}")
        pay(log, f"p-{number}", customer_id, reference=f"r-{number}")
    pay(log, "p-0", "c-1", "999.00")
    pay(log, "again", "c-2", reference="r-0")
    break_(log, PAYMENTS)


def cancellations(log: Log) -> None:
    cancel(log, "x-1", "c-1", "bill/c-1/2026-01")
    cancel(log, "x-2", "c-2", "payment/p-1")
    cancel(log, "x-3", "c-2", "payment/p-1")


def pay_late(log: Log) -> None:
    pay(log, "late", "c-2", reference="r-late")
    pay(log, "late-2", "c-2")


# Stages -------------------------------------------------------------------------------------


def consuming(name: str, topics: list[str], handler: Callable[[], Handler]) -> Stage:
    """A worker's loop, from the positions that PostgreSQL keeps to the ends of its topics."""

    async def stage(machine: Machine) -> None:
        loop = Loop(name, topics, "", machine.database, handler(), Health())

        def done() -> None:
            if loop._reading.positions:
                loop.stop()

        loop._reading._restored = Present()  # type: ignore[assignment]
        loop._reading._consumer = Consumer(machine.log, machine.steps, topics, done)
        asker: Any = Asker(machine.log)
        loop._reading._asker, loop._reading._keeper = asker, Keeper(name, topics, asker)
        loop._offsets._committed = 0.0
        async with machine.database.connection() as connection:
            await loop._consume(connection, Backoff())

    return stage


class Claims(Runs):
    """Runs without Faust: page commands go to the log."""

    def __init__(self, machine: Machine) -> None:
        self._database, self._health, self._wait = machine.database, Health(), Backoff()
        self._producer = Producer(machine.log, machine.steps)
        self._restored = Present()  # type: ignore[assignment]

    async def _send_page(self, tick_id: str, number: int) -> None:
        said = json.dumps({"tick_id": tick_id, "page": number}).encode()
        await self._producer.send(PAGES, said, str(number).encode(), [])


async def claim(machine: Machine) -> None:
    await Claims(machine)._heal()


async def bill(machine: Machine) -> None:
    pages = Pages("", machine.database, Judge(ZONE, BUCKETS), Health())
    pages._free = asyncio.Semaphore(1)
    pages._restored = Present()  # type: ignore[assignment]
    await pages._consume(Consumer(machine.log, machine.steps, [PAGES], pages.stop))


async def relay(machine: Machine) -> None:
    relay = Relay("", machine.database, Health())
    producer: Any = Producer(machine.log, machine.steps)
    async with machine.database.connection() as connection:
        while await relay._pass(connection, producer):
            pass


async def set_apart(machine: Machine) -> None:
    """What comes for a customer who is quarantined is parked."""
    async with machine.database.connection() as connection:
        await connection.execute(sql("quarantine"), ["c-2"], ["a mistake of ours"], NOW, [0])
    await collector(machine)


async def release(machine: Machine) -> None:
    async with machine.database.connection() as connection:
        await _retry_one(connection, Judge(ZONE, BUCKETS), "c-2")


collector = consuming("collector", [PAYMENTS], lambda: Judge(ZONE, BUCKETS))
generator = consuming("generator", [SIGNUPS], lambda: Judge(ZONE, BUCKETS))
coordinator = consuming("coordinator", [TICKS], lambda: TickJudge(ZONE, BUCKETS, lambda *_: None))
notifier = consuming(
    "notifier", [LEDGER, RECHECKS], lambda: Notifier(lambda each: bucket_of(each, BUCKETS))
)

STAGES: tuple[tuple[str, Stage, Callable[[Log], None] | None], ...] = (
    ("parking", collector, too_early),
    ("signup and release", generator, signups),
    ("tick", coordinator, ticks),
    ("claim", claim, None),
    ("bill page", bill, None),
    ("payments", collector, payments),
    ("cascade", collector, cancellations),
    ("relay", relay, None),
    ("notifier", notifier, None),
    ("relay of notices", relay, None),
    ("parked in quarantine", set_apart, pay_late),
    ("quarantine retry", release, None),
)
DEATHS_MIN = 240


# The book, and what was kept in it ------------------------------------------------------------

TABLES = {
    "terms": "to_jsonb(t) - 'terms_id'",
    "account": "to_jsonb(t) - 'terms_id' || jsonb_build_object('terms', (SELECT content FROM"
    " book.terms WHERE terms.terms_id = t.terms_id))",
    "line": "to_jsonb(t) - '{position,recorded_at,hash}'::text[]",
    "command": "to_jsonb(t) - '{recorded_at,position}'::text[]",
    "conflict": "to_jsonb(t) - '{recorded_at,position}'::text[]",
    "parked": "to_jsonb(t) - '{parked_at,position}'::text[]",
    "quarantine": "to_jsonb(t) - 'since'",
    "payment_reference": "to_jsonb(t)",
    "username": "to_jsonb(t)",
    "position": "to_jsonb(t)",
    "run": "to_jsonb(t) - '{started_at,claimed_at,finished_at}'::text[]",
    "page": "to_jsonb(t) - '{sent_at,finished_at}'::text[]",
    "notice": "to_jsonb(t) - '{created_at,requested_at,position}'::text[]",
    "entitlement": "to_jsonb(t) - '{changed_at,position}'::text[]",
}
ALL_TABLES = ("fleet", *TABLES, "outgoing", "relay")
VARYING = re.compile(rb'"hash": ?"[0-9a-f]+"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z')


async def kept(machine: Machine) -> dict[str, Any]:
    """Return all that must not depend on who died when."""
    connection = await asyncpg.connect(machine.url)
    try:
        found: dict[str, Any] = {
            table: sorted(
                row[0]
                for row in await connection.fetch(f"SELECT ({told})::text FROM book.{table} t")
            )
            for table, told in TABLES.items()
        }
        waiting = await connection.fetch(
            "SELECT topic, key, value FROM book.outgoing ORDER BY position"
        )
    finally:
        await connection.close()
    out = [(row["topic"], row["key"], row["value"]) for row in waiting]
    for records in machine.log.records.values():
        out += [(r.topic, r.key, r.value) for r in records if r.topic != PAGES]
    found["leaves"] = sorted({_told(*row) for row in out})
    found["in order"] = _in_order(machine.log)
    return found


def _told(topic: str, key: bytes | None, value: bytes | None) -> tuple[str, bytes, bytes]:
    return topic, key or b"", VARYING.sub(b"", value or b"")


def _in_order(log: Log) -> dict[str, list[int]]:
    """Return each customer's seqs as a reader sees them that drops repeats: 1, 2, 3, ..."""
    seqs: dict[str, list[int]] = {}
    for records in log.of(LEDGER).values():
        for line in (json.loads(record.value) for record in records):
            seen = seqs.setdefault(line["customer_id"], [])
            if line["seq"] > len(seen):
                seen.append(line["seq"])
    assert all(seen == list(range(1, len(seen) + 1)) for seen in seqs.values())
    return seqs


class Book:
    """One database that can be put back to where it was kept last."""

    def __init__(self, admin: asyncpg.Connection) -> None:
        self._admin = admin

    async def prepare(self) -> None:
        await self._admin.execute("CREATE SCHEMA kept")
        for table in ALL_TABLES:
            await self._admin.execute(f"CREATE TABLE kept.{table} AS TABLE book.{table}")

    async def keep(self) -> None:
        await self._admin.execute(
            ";".join(
                f"TRUNCATE kept.{table}; INSERT INTO kept.{table} TABLE book.{table}"
                for table in ALL_TABLES
            )
        )

    async def figures(self) -> dict[str, int]:
        return dict(await self._admin.fetchrow("SELECT * FROM report.reconciliation"))

    async def put_back(self) -> None:
        """Take back what was appended; the chain is still looked after."""
        await self._admin.execute(
            ";".join(
                [
                    *_guards("DISABLE TRIGGER"),
                    *(f"DELETE FROM book.{table}" for table in reversed(ALL_TABLES)),
                    *(
                        f"INSERT INTO book.{table} OVERRIDING SYSTEM VALUE TABLE kept.{table}"
                        for table in ALL_TABLES
                    ),
                    *_guards("ENABLE ALWAYS TRIGGER"),
                ]
            )
        )


def _guards(change: str) -> list[str]:
    tables = ("terms", "line", "command", "conflict")
    return [f"ALTER TABLE book.{table} {change} append_only" for table in tables]


@asynccontextmanager
async def booked(postgres: Postgres) -> AsyncIterator[tuple[str, Book]]:
    """Make a book of two buckets with a policy in it; yield its URL and its keeper."""
    name = f"crash_{uuid.uuid4().hex[:10]}"
    owner = await asyncpg.connect(postgres.admin_url)
    await owner.execute(f"CREATE DATABASE {name}")
    # Workers die here, PostgreSQL does not: what is committed need not be on the disk at once.
    await owner.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    url = f"{postgres.admin_url.rpartition('/')[0]}/{name}"
    connection = await asyncpg.connect(url)
    try:
        await migrate(connection, BUCKETS, ZONE.key, BUCKETS)
        await reports.apply_policy(connection, POLICY, RECHECKS)
        book = Book(connection)
        await book.prepare()
        yield url, book
    finally:
        await connection.close()
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await owner.close()


async def broker_ahead(machine: Machine) -> list[Any]:
    """Return what the broker was told that the book does not know."""
    connection = await asyncpg.connect(machine.url)
    try:
        rows = await connection.fetch("SELECT topic, partition, next_offset FROM book.position")
    finally:
        await connection.close()
    known = {(topic, number): offset for topic, number, offset in rows}
    told = [(each.topic, each.partition, at) for each, at in machine.log.committed.items()]
    return [each for each in told if each[0] != PAGES and each[2] > known.get(each[:2], 0)]


async def test_whoever_dies_at_any_step_leaves_what_an_undisturbed_run_leaves(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "STALE_SECONDS", 0.0)
    monkeypatch.setattr(reading, "LOOK_SECONDS", float("inf"))  # or a slow machine has more steps
    deaths, log = 0, Log.empty(BUCKETS)
    async with booked(postgres) as (url, book):
        for name, stage, happens in STAGES:
            if happens is not None:
                happens(log)
            await book.keep()
            undisturbed = Machine(url, log.copy(), Steps())
            await stage(undisturbed)
            expected, steps = await kept(undisturbed), undisturbed.steps.names
            # To die after a step is to die before the next one; after the last there is an end.
            for step, early in [*((n + 1, True) for n in range(len(steps))), (len(steps), False)]:
                await book.put_back()
                dying = Machine(url, log.copy(), Steps(step, early))
                with pytest.raises(Killed):
                    await stage(dying)
                assert await broker_ahead(dying) == []
                living = dying._replace(steps=Steps())
                await stage(living)
                when = "before" if early else "after"
                assert await kept(living) == expected, f"{name}: {when} {step}, {steps[step - 1]}"
                assert await broker_ahead(living) == []
                deaths += 1
            log = living.log
        assert set((await book.figures()).values()) == {0}
    assert deaths >= DEATHS_MIN
