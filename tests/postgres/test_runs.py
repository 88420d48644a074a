"""Runs on a real book: which is claimed first, and what a page notes and tells."""

from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest

from shared.ledger.postgres.statements import sql
from shared.schemas.topics import RECHECKS
from tests.postgres.kept import Kept, change, signup

# Claims --------------------------------------------------------------------------------------


async def waits(
    connection: asyncpg.Connection, tick_id: str, minute: int, period: str = "2026-02"
) -> None:
    """Put a run among those that wait; it was asked for at this minute."""
    await connection.execute(
        "INSERT INTO book.run (tick_id, period, as_of, trigger, started_at)"
        " VALUES ($1, $2, '2026-02-01', 'manual', $3)",
        tick_id, period, datetime(2026, 2, 1, 9, minute, tzinfo=UTC),
    )  # fmt: skip


async def claimed(connection: asyncpg.Connection, period: str = "2026-02") -> Any:
    return await connection.fetchval(sql("claim_run"), period)


async def finish(connection: asyncpg.Connection, tick_id: str) -> None:
    await connection.execute(
        "UPDATE book.run SET finished_at = claimed_at WHERE tick_id = $1", tick_id
    )


async def test_the_runs_of_a_month_are_claimed_oldest_first_then_by_name(
    connection: asyncpg.Connection,
) -> None:
    for tick_id, minute in (("a-last", 3), ("b-second", 2), ("c-third", 2), ("d-first", 1)):
        await waits(connection, tick_id, minute)

    order = []
    while (tick_id := await claimed(connection)) is not None:
        order.append(tick_id)
        await finish(connection, tick_id)

    assert order == ["d-first", "b-second", "c-third", "a-last"]


async def test_a_month_is_claimed_by_one_run_at_a_time_and_holds_up_no_other(
    connection: asyncpg.Connection,
) -> None:
    await waits(connection, "one", 1)
    await waits(connection, "two", 2)
    await waits(connection, "march", 3, "2026-03")

    assert await claimed(connection) == "one"
    assert await claimed(connection) is None
    assert await claimed(connection, "2026-03") == "march"
    await finish(connection, "one")
    assert await claimed(connection) == "two"


# Pages ---------------------------------------------------------------------------------------


@pytest.fixture
async def kept(connection: asyncpg.Connection) -> Kept:
    """A business date of 1 January, and Rahim, whose month is the calendar's."""
    kept = Kept(connection, buckets=1)
    await connection.execute("UPDATE book.fleet SET partitions = 1")
    await kept.tick("2026-01-01")
    await kept.tell(signup("rahim", "2026-01-01"))
    return kept


async def rechecked(kept: Kept) -> list[str]:
    """Return whose entitlement was to be looked at since this was last asked."""
    rows = await kept.connection.fetch(
        "WITH gone AS (DELETE FROM book.outgoing WHERE topic = $1 RETURNING *)"
        " SELECT key FROM gone ORDER BY position",
        RECHECKS,
    )
    return [row["key"].decode() for row in rows]


async def test_a_run_counts_who_was_billed_before_it(kept: Kept) -> None:
    await kept.tell(signup("karim", "2026-01-01", bill_from="2026-02-02"))
    await kept.tell(signup("salma", "2026-01-01", bill_from="2026-05-05"))

    await kept.tick("2026-02-01")
    await kept.tick("2026-02-02")

    rows = await kept.connection.fetch(
        "SELECT tick_id, billed, skipped, already_billed FROM report.run ORDER BY tick_id"
    )
    assert [tuple(row) for row in rows] == [
        ("2026-01-01", 0, 0, 0),
        ("2026-02-01", 1, 0, 2),
        ("2026-02-02", 1, 0, 2),
    ]


async def test_terms_planned_for_a_day_are_looked_at_when_it_has_come_and_once(kept: Kept) -> None:
    """Whoever the run has nothing to bill for as well: on 20 January the month is billed."""
    await kept.tell(
        signup("karim", "2026-01-01"),
        change("h-1", "rahim", "2026-01-20", "2026-01-02", status="suspended"),
        change("h-2", "rahim", "2026-01-25", "2026-01-02", mode="monthly"),
    )
    assert set(await rechecked(kept)) == {"karim", "rahim"}

    seen = []
    for day in ("2026-01-19", "2026-01-20", "2026-01-21", "2026-01-25", "2026-01-26"):
        await kept.tick(day)
        next_change = await kept.connection.fetchval(
            "SELECT next_change_on FROM book.account WHERE customer_id = 'rahim'"
        )
        seen.append((day, await rechecked(kept), next_change))

    assert seen == [
        ("2026-01-19", [], date(2026, 1, 20)),
        ("2026-01-20", ["rahim"], date(2026, 1, 25)),
        ("2026-01-21", [], date(2026, 1, 25)),
        ("2026-01-25", ["rahim"], None),
        ("2026-01-26", [], None),
    ]
