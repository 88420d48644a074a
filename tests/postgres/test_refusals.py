"""What was asked and not done is kept: refusals and conflicting duplicates, each once."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from services.coordinator.ticks import TickJudge
from shared.embedded import Postgres
from shared.ledger.postgres import sealing
from shared.ledger.postgres.migrate import migrate, steps
from shared.runtime.judge import Judge
from shared.schemas.publish import binary
from tests.postgres.kept import Kept, Record, discount, payment, signup

ZONE = ZoneInfo("Asia/Dhaka")
REFUSALS = (
    "SELECT command_id, type, customer_id, reason, actor, amount::text, said, ce_id, ce_source"
    " FROM report.refusal ORDER BY recorded_at, command_id, ce_id"
)


class Fleet:
    """The judges of the workers on one book, given events by hand: each call is one batch."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._judge = Judge(ZONE, 96)
        self._ticks = TickJudge(ZONE, 96, lambda period, tick_id: None)

    async def tell(self, *events: tuple[str, tuple[str, dict[str, Any]]], sent: int = 0) -> None:
        """Judge events, each under the ce_id that it is given with; `sent` is the timestamp of
        their records."""
        records = [Record(binary(*event, ce_id, "till")) for ce_id, event in events]
        for record in records:
            record.timestamp = sent
        judge = self._ticks if records[0].topic == "billing.ticks.v1" else self._judge
        async with self.connection.transaction():
            await judge(self.connection, records)

    async def refusals(self) -> list[tuple[Any, ...]]:
        return [
            tuple(json.loads(value) if at == 6 else value for at, value in enumerate(row))
            for row in await self.connection.fetch(REFUSALS)
        ]


@pytest.fixture
async def fleet(connection: asyncpg.Connection) -> Fleet:
    fleet = Fleet(connection)
    await fleet.tell(("e-1", signup("rahim", "2026-01-17")), ("e-2", signup("karim", "2026-01-17")))
    return fleet


def tick(tick_id: str, period: str, as_of: str) -> tuple[str, dict[str, Any]]:
    said = {"tick_id": tick_id, "period": period, "as_of": as_of, "trigger": "manual"}
    return "billing.tick.v1", said


P_1 = payment("p-1", "rahim", "200.00", "2026-01-20")
P_1_FOR_KARIM = payment("p-1", "karim", "200.00", "2026-01-20")


async def test_a_payment_id_typed_for_another_house_is_kept_with_what_it_said(fleet: Fleet) -> None:
    await fleet.tell(("e-3", P_1))
    await fleet.tell(("e-4", P_1_FOR_KARIM))

    (refused,) = await fleet.refusals()
    assert refused[:6] == (
        "payment/p-1", "billing.payment.received.v1", "karim", "conflicting_duplicate", "field-1",
        "200.00",
    )  # fmt: skip
    assert {**refused[6], "received_at": P_1_FOR_KARIM[1]["received_at"]}.items() >= (
        P_1_FOR_KARIM[1].items()
    )
    assert refused[7:] == ("e-4", "till")
    assert await fleet.connection.fetchval("SELECT sum(paid) FROM report.statement") == 200


async def test_a_conflict_within_one_batch_is_kept_and_so_is_one_with_a_parked_command(
    fleet: Fleet,
) -> None:
    early = payment("p-2", "nobody-yet", "5.00", "2026-01-20")
    other = payment("p-2", "nobody-yet", "6.00", "2026-01-20")

    await fleet.tell(("e-3", P_1), ("e-4", P_1_FOR_KARIM))
    await fleet.tell(("e-5", early), ("e-6", other))

    assert [(row[0], row[2], row[5], row[7]) for row in await fleet.refusals()] == [
        ("payment/p-1", "karim", "200.00", "e-4"),
        ("payment/p-2", "nobody-yet", "6.00", "e-6"),
    ]


async def test_a_conflicting_event_delivered_again_is_kept_once_and_another_one_too(
    fleet: Fleet,
) -> None:
    await fleet.tell(("e-3", P_1))
    for _ in range(3):
        await fleet.tell(("e-4", P_1_FOR_KARIM), ("e-4", P_1_FOR_KARIM))
    await fleet.tell(("e-5", P_1_FOR_KARIM))

    assert [(row[0], row[7]) for row in await fleet.refusals()] == [
        ("payment/p-1", "e-4"),
        ("payment/p-1", "e-5"),
    ]


async def test_a_refused_command_names_the_event_that_brought_it(fleet: Fleet) -> None:
    await fleet.tell(("e-3", discount("d-1", "rahim", "10.00", "2026-01")))
    await fleet.tell(("e-4", discount("d-1", "rahim", "10.0", "2026-01")))

    (refused,) = await fleet.refusals()
    assert refused[:6] == (
        "discount/d-1", "billing.discount.granted.v1", "rahim", "not_permitted", "boss", "10.00",
    )  # fmt: skip
    assert refused[6]["reason"] == "goodwill"
    assert refused[7:] == ("e-3", "till"), "the duplicate that came later changed nothing"


async def test_what_was_parked_and_then_refused_names_its_event_too(fleet: Fleet) -> None:
    await fleet.tell(("e-3", discount("d-1", "salma", "10.00", "2026-01")))
    assert await fleet.refusals() == []
    await fleet.tell(("e-4", signup("salma", "2026-01-17")))

    (refused,) = await fleet.refusals()
    assert (refused[0], refused[3], refused[7:]) == (
        "discount/d-1", "not_permitted", ("e-3", "till"),
    )  # fmt: skip


async def test_ticks_refused_or_conflicting_are_kept(fleet: Fleet) -> None:
    await fleet.tell(("t-1", tick("jan", "2026-02", "2026-01-31")))
    await fleet.tell(("t-2", tick("feb", "2026-02", "2026-02-01")))
    await fleet.tell(("t-3", tick("feb", "2026-02", "2026-02-02")))

    assert [row[:6] + row[7:] for row in await fleet.refusals()] == [
        ("tick/jan", "billing.tick.v1", None, "outside_period", None, None, "t-1", "till"),
        ("tick/feb", "billing.tick.v1", None, "conflicting_duplicate", None, None, "t-3", "till"),
    ]


async def test_a_first_tick_far_past_its_records_own_day_is_refused(fleet: Fleet) -> None:
    """The day is that of the business zone: 19:00 in UTC is tomorrow."""
    evening = round(datetime(2026, 1, 1, 19, tzinfo=UTC).timestamp() * 1000)
    await fleet.tell(("t-1", tick("a", "2026-02", "2026-02-17")), sent=evening)
    await fleet.tell(("t-2", tick("b", "2026-02", "2026-02-16")), sent=evening)

    refused = [(row[0], row[3]) for row in await fleet.refusals()]
    assert refused == [("tick/a", "gap_too_large")]
    assert await fleet.connection.fetchval("SELECT business_date::text FROM book.fleet") == (
        "2026-02-16"
    )


async def test_a_command_is_shown_with_what_it_said(fleet: Fleet) -> None:
    await fleet.tell(("e-3", P_1))

    rows = await fleet.connection.fetch(
        "SELECT command_id, type, customer_id, outcome, reason, actor, amount::text,"
        " said ->> 'method' FROM report.command WHERE command_id IN ('payment/p-1', 'signup/karim')"
        " ORDER BY command_id"
    )

    assert [tuple(row) for row in rows] == [
        ("payment/p-1", "billing.payment.received.v1", "rahim", "accepted", None, "field-1",
         "200.00", "cash"),
        ("signup/karim", "billing.customer.signed_up.v1", "karim", "accepted", None, None, None,
         None),
    ]  # fmt: skip


async def test_a_seal_covers_conflicts_and_the_events_that_brought_commands(
    connection: asyncpg.Connection,
) -> None:
    fleet = Fleet(connection)
    await fleet.tell(("e-1", signup("rahim", "2026-01-17")), ("e-2", signup("karim", "2026-01-17")))
    await fleet.tell(("e-3", P_1), ("e-4", P_1_FOR_KARIM))
    await sealing.seal(connection)
    assert await sealing.broken_seal(connection, None) is None
    for table in ("conflict", "command"):
        await connection.execute(f"ALTER TABLE book.{table} DISABLE TRIGGER append_only")

    for tampering in (
        "DELETE FROM book.conflict",
        "UPDATE book.conflict SET content = replace(content, '200.00', '20.00')",
        "UPDATE book.conflict SET ce_id = 'another'",
        "UPDATE book.command SET ce_id = 'another' WHERE command_id = 'payment/p-1'",
    ):
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(tampering)
        assert "root over heads and outcomes" in (
            await sealing.broken_seal(connection, None) or ""
        ), tampering
        await transaction.rollback()


async def test_a_seal_made_before_there_were_conflicts_still_holds(
    connection: asyncpg.Connection,
) -> None:
    """Rows from before the columns were there have no event: their digest is what it was."""
    kept = Kept(connection)
    await kept.tell(signup("rahim", "2026-01-17"), P_1)
    await connection.execute("ALTER TABLE book.command DISABLE TRIGGER append_only")
    await connection.execute("UPDATE book.command SET ce_id = NULL, ce_source = NULL")
    await connection.execute("ALTER TABLE book.command ENABLE ALWAYS TRIGGER append_only")
    (digest,) = await connection.fetchrow(
        "SELECT encode(sha256(convert_to(string_agg(concat_ws(E'\\n', command_id, type, content,"
        " outcome, E'\\\\N', to_char(recorded_at AT TIME ZONE 'UTC',"
        " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')), E'\\n' ORDER BY position), 'UTF8')), 'hex')"
        " FROM book.command"
    )
    listing: list[bytes] = []
    await sealing.seal(connection, listing.append)

    assert b"".join(listing).decode().strip().split(",")[3:] == ["2", digest]


async def test_the_newest_refusals_are_read_from_indexes(connection: asyncpg.Connection) -> None:
    await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")

    plan = await connection.fetch(
        "EXPLAIN SELECT * FROM report.refusal ORDER BY recorded_at DESC LIMIT 100"
    )

    text = "\n".join(line for (line,) in plan)
    assert "Merge Append" in text
    assert "command_refused on command" in text, text
    assert "conflict_recorded on conflict" in text
    assert "Seq Scan" not in text


async def test_a_book_from_before_shows_its_refusals_without_their_events(
    postgres: Postgres,
) -> None:
    name = f"before_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres.admin_url)
    await admin.execute(f"CREATE DATABASE {name}")
    old = await asyncpg.connect(f"{postgres.admin_url.rpartition('/')[0]}/{name}")
    (first, text), *_ = steps()
    await old.execute(text)
    await old.execute("INSERT INTO book.migration (name) VALUES ($1)", first)
    await old.execute(
        "INSERT INTO book.fleet (partitions, zone) VALUES (12, 'Asia/Dhaka');"
        "INSERT INTO book.command"
        " (command_id, customer_id, type, content, outcome, reason, recorded_at) VALUES"
        " ('refund/r-1', 'rahim', 'billing.refund.made.v1',"
        """ '{"amount":"5.00","actor":"boss"}', 'refused', 'exceeds_credit', '2026-01-20')"""
    )

    await migrate(old, 12, "Asia/Dhaka", 96)

    (row,) = await old.fetch(REFUSALS)
    await old.close()
    await admin.execute(f"DROP DATABASE {name}")
    await admin.close()
    assert tuple(row)[:6] == (
        "refund/r-1", "billing.refund.made.v1", "rahim", "exceeds_credit", "boss", "5.00",
    )  # fmt: skip
    assert tuple(row)[7:] == (None, None)
