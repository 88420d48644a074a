"""The coordinator's clock: when it ticks for a day, and what a clock that is wrong cannot do."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from services.coordinator import clock
from services.coordinator.clock import Clock as Clocked
from services.coordinator.runs import Runs
from services.coordinator.seal import Seals
from shared.ledger.postgres.statements import sql
from shared.runtime.database import Database
from shared.runtime.health import Health
from tests.postgres.shown import NOON
from tests.postgres.shown import show as show_in_database
from tests.support.crashing import Present

DHAKA = ZoneInfo("Asia/Dhaka")
TODAY = NOON.astimezone(DHAKA).date()


class Clock(Clocked):
    """The clock without Faust: what it would tick for is kept."""

    def __init__(self, url: str, started_on: date = TODAY, behind: bool = False) -> None:
        self._restored = Present(behind)  # type: ignore[assignment]
        self._database = Database(url, "clock")
        self._zone, self._started_on = DHAKA, started_on
        self.ticked: list[str] = []

    async def _tick(self, as_of: str, period: str) -> None:
        assert as_of.startswith(period)
        self.ticked.append(as_of)

    async def told(self) -> list[str]:
        await self.look()
        await self._database.close()
        return self.ticked


class Claims(Runs):
    """Runs without Faust, in a book that was restored and stands still."""

    def __init__(self, database: Database) -> None:
        self._restored = Present(True)  # type: ignore[assignment]
        self._database, self._health = database, Health()


class Sealing(Seals):
    """Seals without Faust."""

    def __init__(self, database: Database, behind: bool) -> None:
        self._restored = Present(behind)  # type: ignore[assignment]
        self._database = database


@pytest.fixture(autouse=True)
async def book(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    """The book of a machine and a database whose clocks both show noon."""
    connection = await asyncpg.connect(database)
    await show_in_database(connection, NOON)
    show(monkeypatch, NOON)
    yield connection
    await connection.close()


def show(monkeypatch: pytest.MonkeyPatch, instant: datetime) -> None:
    """Let this machine's clock show an instant; the database's stays where it is."""

    class Shown(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return instant.astimezone(tz)

    monkeypatch.setattr(clock, "datetime", Shown)


async def ticked(
    book: asyncpg.Connection, day: date, by: str = "clock", trigger: str = "nightly"
) -> None:
    await book.execute(
        "INSERT INTO book.run (tick_id, period, as_of, trigger) VALUES ($1, $2, $3, $4)",
        f"{by}-{day}", f"{day:%Y-%m}", day, trigger,
    )  # fmt: skip


async def test_a_new_fleet_does_not_tick_before_its_first_midnight(database: str) -> None:
    assert await Clock(database).told() == []


async def test_a_fleet_that_saw_midnight_ticks_for_the_day_that_began(database: str) -> None:
    assert await Clock(database, TODAY - timedelta(days=1)).told() == [TODAY.isoformat()]


async def test_a_fleet_that_was_down_ticks_once_for_today(
    database: str, book: asyncpg.Connection
) -> None:
    await ticked(book, TODAY - timedelta(days=9))
    assert await Clock(database).told() == [TODAY.isoformat()]
    await ticked(book, TODAY)
    assert await Clock(database).told() == []


async def test_no_day_begins_in_a_book_that_was_restored_and_stands_still(
    database: str, book: asyncpg.Connection
) -> None:
    await ticked(book, TODAY - timedelta(days=9))
    await book.execute("UPDATE book.run SET claimed_at = $1, finished_at = $1", NOON)
    await ticked(book, TODAY - timedelta(days=2))
    assert await Clock(database, behind=True).told() == []
    ours = Database(database, "coordinator")
    claims = Claims(ours)
    await claims._heal()
    await claims._claim(f"{TODAY - timedelta(days=2):%Y-%m}")
    assert await book.fetch("SELECT FROM book.page") == []
    assert await book.fetchval("SELECT count(*) FROM book.run WHERE claimed_at IS NULL") == 1

    await book.execute("UPDATE book.run SET finished_at = clock_timestamp()")
    for behind, seals in ((True, 0), (False, 1)):
        await Sealing(ours, behind).look()
        assert await book.fetchval("SELECT count(*) FROM book.seal") == seals
    await ours.close()


@pytest.mark.parametrize(("by", "trigger"), [("nightly", "nightly"), ("clock", "manual")])
async def test_a_tick_made_by_hand_is_not_the_clock_s(
    database: str, book: asyncpg.Connection, by: str, trigger: str
) -> None:
    await ticked(book, TODAY - timedelta(days=9), by, trigger)
    assert await Clock(database).told() == [], "as on a new fleet, before its first midnight"
    await ticked(book, TODAY - timedelta(days=8))
    await ticked(book, TODAY, by, trigger)
    assert await Clock(database).told() == [TODAY.isoformat()]


async def test_a_database_whose_clock_is_a_month_ahead_does_not_bill_a_month_early(
    database: str, book: asyncpg.Connection
) -> None:
    await ticked(book, TODAY)
    await show_in_database(book, NOON + timedelta(days=31))
    assert await Clock(database).told() == []


@pytest.mark.parametrize(("minutes", "days"), [(4, []), (6, ["2026-02-01"])])
async def test_the_day_begins_in_the_business_zone_and_is_five_minutes_old(
    database: str, monkeypatch: pytest.MonkeyPatch, minutes: int, days: list[str]
) -> None:
    show(monkeypatch, datetime(2026, 1, 31, 18, minutes, tzinfo=UTC))
    assert await Clock(database, date(2026, 1, 31)).told() == days


async def test_a_machine_whose_clock_is_a_month_ahead_does_not_bill_a_month_early(
    database: str, book: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ticked(book, TODAY)
    show(monkeypatch, NOON + timedelta(days=31))
    assert await Clock(database).told() == []


async def test_a_machine_whose_clock_is_a_day_back_ticks_for_no_day_again(
    database: str, book: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ticked(book, TODAY)
    show(monkeypatch, NOON - timedelta(days=1))
    assert await Clock(database).told() == []


@pytest.mark.parametrize(("sent", "again"), [("-1 minute", True), ("1 month", True), ("0", False)])
async def test_a_page_is_sent_again_when_it_stands_still_or_was_sent_in_a_time_to_come(
    book: asyncpg.Connection, sent: str, again: bool
) -> None:
    await ticked(book, TODAY)
    await book.execute(
        "INSERT INTO book.page (tick_id, number, first_bucket, end_bucket, at_bucket, sent_at)"
        " VALUES ($1, 3, 24, 32, 24, clock_timestamp() + $2::text::interval)",
        f"clock-{TODAY}", sent,
    )  # fmt: skip
    rows = await book.fetch(sql("stale_pages"), 10.0)
    assert [row["number"] for row in rows] == ([3] if again else [])
