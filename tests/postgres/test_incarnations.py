"""A new incarnation in a real book: who tells what, and which texts wait."""

import asyncio
import json
from datetime import date
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.notifier.notifier import Notifier
from shared.ledger.commands import RebillRequested
from shared.ledger.line import Line
from shared.ledger.postgres import incarnations, outgoing
from shared.schemas.outbound import line_appended
from shared.schemas.topics import ENTITLEMENTS, RECHECKS
from tests.postgres.booked import BOSS, Booked, bucket, cancel, pay, signup, tick
from tests.postgres.leaving import EVERYTHING, leaving
from tests.postgres.test_notifier import notify, sent

REBILL = "SELECT notice_id, status FROM report.notice ORDER BY notice_id"


async def opens(books: Booked, number: int = 2) -> bool:
    return (await incarnations.open_next(books.connection, number, "a test"))[0]


async def records(books: Booked) -> list[ConsumerRecord]:
    """Return every line as the relay publishes it, as the notifier gets it."""
    rows = await outgoing.next_lines(books.connection, EVERYTHING, 1000)
    return [record(row.line, row.incarnation) for row in rows]


def record(line: Line, incarnation: int) -> ConsumerRecord:
    topic, key, value, headers = line_appended(line, incarnation)
    return ConsumerRecord(topic, 0, 0, 0, 0, key, value, None, 0, 0, tuple(headers))


async def read(books: Booked, told: list[ConsumerRecord]) -> None:
    async with books.connection.transaction():
        await Notifier(bucket)(books.connection, told)


async def statuses(books: Booked) -> dict[str, str]:
    return dict(await books.rows(REBILL))


async def test_lines_bear_the_incarnation_in_which_they_were_written(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    assert await opens(books)
    await books.play(pay("p-1", "rahim", 500, "2026-01-02"))

    told = [dict(each.headers)["ce_incarnation"] for each in await records(books)]

    assert told == [b"1", b"2"]


async def test_an_incarnation_is_opened_once_however_often_it_is_asked_for(
    books: Booked, database: str
) -> None:
    other = await asyncpg.connect(database)
    both = await asyncio.gather(opens(books), incarnations.open_next(other, 2, "the other"))
    await other.close()

    assert sorted([both[0], both[1][0]]) == [False, True]
    assert [each.number for each in await incarnations.opened(books.connection)] == [2]
    assert not await opens(books, 1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await books.connection.execute("DELETE FROM book.incarnation")


async def test_a_line_of_the_lost_hour_is_not_told_of(books: Booked) -> None:
    """Its seq holds another line now, or none yet."""
    await books.play(signup("rahim", "2026-01-01"), pay("p-1", "rahim", 500, "2026-01-02"))
    bill, paid = await records(books)
    line = (await outgoing.next_lines(books.connection, EVERYTHING, 2))[1].line
    other = record(line._replace(command_id="payment/lost", hash=bytes(32)), 1)
    none = record(line._replace(seq=9, command_id="payment/lost-too", hash=bytes(32)), 1)
    await opens(books)

    await read(books, [bill, other, none, paid])

    assert set(await statuses(books)) == {"due/rahim/2026-01", "receipt/p-1"}


async def test_texts_wait_and_go_as_they_are_when_they_go(books: Booked) -> None:
    await books.play(BOSS, signup("rahim", "2026-01-01"), signup("karim", "2026-01-01"))
    await opens(books)
    await read(books, await records(books))
    assert await sent(books) == []
    assert set((await statuses(books)).values()) == {"held"}
    # Meanwhile one has paid a part, and the other all of it.
    await books.play(pay("p-1", "rahim", 40_000, "2026-01-02"))
    await books.play(pay("p-2", "karim", 100_000, "2026-01-02"))
    await books.play(cancel("x-1", "rahim", "payment/p-1", "2026-01-03"))
    await notify(books, after=2)
    assert await sent(books) == []
    await books.play(pay("p-3", "rahim", 70_000, "2026-01-04"))

    assert await incarnations.release(books.connection, RECHECKS) == 5
    rechecks = await books.rows("SELECT convert_from(key, 'UTF8') FROM book.outgoing"
                                " WHERE topic = $1 ORDER BY 1", RECHECKS)  # fmt: skip
    assert [row[0] for row in rechecks] == ["karim", "rahim"]
    await notify(books, "karim", "rahim", after=99)

    told = {each["notice_id"]: each["amount"] for each in await sent(books)}
    assert told == {
        "due/rahim/2026-01": "300.00",
        "receipt/p-1": "400.00",
        "receipt/p-2": "1000.00",
        "correction/x-1": "300.00",
    }
    assert (await statuses(books))["due/karim/2026-01"] == "discarded"
    kept = await books.rows("SELECT notice_id, amount::text, text FROM report.notice"
                            " WHERE status = 'requested'")  # fmt: skip
    assert {row[0]: row[1] for row in kept} == told
    assert all(amount in text for _, amount, text in kept)
    assert await incarnations.release(books.connection, RECHECKS) == 0
    await notify(books, "karim", "rahim", after=99)
    assert len(await sent(books)) == len(told)


async def test_what_was_discarded_is_never_sent_and_later_texts_are(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    await opens(books)
    await notify(books)

    assert await incarnations.discard(books.connection, RECHECKS) == 1
    assert await incarnations.discard(books.connection, RECHECKS) == 0
    await books.play(pay("p-1", "rahim", 500, "2026-01-02"))
    await notify(books, "rahim")

    assert [each["notice_id"] for each in await sent(books)] == ["receipt/p-1"]
    assert await statuses(books) == {"due/rahim/2026-01": "discarded", "receipt/p-1": "requested"}


async def test_a_text_that_the_relay_had_not_published_yet_waits_too(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    await notify(books)
    assert len(await sent(books)) == 1

    await opens(books)

    assert await sent(books) == []
    assert await statuses(books) == {"due/rahim/2026-01": "held"}


async def test_everyone_is_told_anew_until_when_they_are_served(books: Booked) -> None:
    """The lost hour may have said otherwise; while it is made up for, only changes are told."""

    async def told() -> list[tuple[Any, ...]]:
        return [
            (json.loads(message.value or b"")["seq"], dict(message.headers)["ce_incarnation"])
            for message in await leaving(books.connection, ENTITLEMENTS)
        ]

    await books.play(signup("rahim", "2026-01-01"))
    await notify(books)
    await opens(books)
    await notify(books, "rahim")
    assert await told() == [(1, b"1")]

    await incarnations.release(books.connection, RECHECKS)
    await notify(books, "rahim")
    await notify(books, "rahim")

    assert await told() == [(2, b"2")]
    rows = await books.rows("SELECT seq, incarnation FROM book.entitlement")
    assert rows == [(2, 2)]


async def test_a_rebill_has_a_notice_of_its_own(books: Booked) -> None:
    await books.play(BOSS, signup("rahim", "2026-01-01"), tick("2026-01-02"))
    await notify(books)
    await books.play(cancel("x-1", "rahim", "bill/rahim/2026-01", "2026-01-02"))
    await books.play(rebill("r-1", "rahim", "2026-01"))

    await notify(books, after=1)

    assert set(await statuses(books)) == {
        "due/rahim/2026-01", "correction/x-1", "due/rahim/2026-01/rebill/r-1"
    }  # fmt: skip


def rebill(rebill_id: str, customer_id: str, period: str) -> Any:
    return RebillRequested(
        f"rebill/{rebill_id}", customer_id, period, date(2026, 1, 3), "boss", "wrong price"
    )


async def test_a_position_moved_back_remembers_how_far_it_was(books: Booked) -> None:
    await books.connection.execute("INSERT INTO book.position VALUES ('collector', 't', 0, 50)")
    for to in (60, 10, 20, 5):
        await books.connection.execute("UPDATE book.position SET next_offset = $1", to)

    assert await books.rows("SELECT next_offset, furthest FROM book.position") == [(5, 60)]
