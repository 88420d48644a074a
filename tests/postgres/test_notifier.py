"""The notifier's batch on a real book: what is kept, what leaves, and once only."""

import asyncio
from typing import Any

import asyncpg

from services.notifier.notifier import tell
from shared.ledger.postgres.save import COPY_FROM_ROWS
from shared.schemas.topics import ENTITLEMENTS, NOTIFICATIONS, RECHECKS
from tests.postgres import kept as workers
from tests.postgres.booked import BOSS, Booked, bucket, cancel, change, pay, signup, tick
from tests.postgres.leaving import data_of, leaving
from tests.support.patience import until


async def sent(books: Booked, topic: str = NOTIFICATIONS) -> list[dict[str, Any]]:
    """Return the data of what leaves for a topic, in the order in which it was written."""
    return await data_of(books.connection, topic)


async def notify(books: Booked, *rechecks: str, after: int = 0) -> None:
    """Tell of every line after so many, in one batch."""
    lines = await books.told(after)
    async with books.connection.transaction():
        await tell(books.connection, lines, rechecks, bucket)


async def test_five_months_filled_forward_make_one_notice_of_all_that_is_due(
    books: Booked,
) -> None:
    await books.play(tick("2026-05-10"), signup("rahim", "2026-01-17", language="bn"))

    await notify(books)

    (notice,) = await sent(books)
    assert notice["notice_id"] == "due/rahim/2026-05"
    assert notice["amount"] == "4483.87"
    assert "4483.87" in notice["text"]
    assert (notice["kind"], notice["language"], notice["phone"]) == ("due", "bn", "+8801711000001")
    kept = await books.rows(
        "SELECT notice_id, customer_id, kind, period, amount::text, text, segments, status"
        " FROM report.notice"
    )
    assert kept == [
        (
            "due/rahim/2026-05",
            "rahim",
            "due",
            "2026-05",
            "4483.87",
            notice["text"],
            notice["segments"],
            "requested",
        )
    ]


async def test_lines_that_come_again_are_told_of_once(books: Booked) -> None:
    await books.play(BOSS, signup("rahim", "2026-01-01"), pay("p-1", "rahim", 500, "2026-01-02"))
    await books.play(cancel("x-1", "rahim", "payment/p-1", "2026-01-03"))
    lines = await books.told()

    async with books.connection.transaction():
        await tell(books.connection, [*lines, *lines], [], bucket)
    await notify(books)

    ids = [notice["notice_id"] for notice in await sent(books)]
    assert ids == ["due/rahim/2026-01", "receipt/p-1", "correction/x-1"]
    assert len(await sent(books, ENTITLEMENTS)) == 1


async def test_a_receipt_names_what_this_payment_brought_and_not_the_sum(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"), pay("p-1", "rahim", 500, "2026-01-02"))
    await books.play(pay("p-2", "rahim", 70_000, "2026-01-02"))

    await notify(books, after=1)

    assert [(each["notice_id"], each["amount"]) for each in await sent(books)] == [
        ("receipt/p-1", "5.00"),
        ("receipt/p-2", "700.00"),
    ]


async def test_a_bill_is_told_with_the_total_due_in_both_modes(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01", mode="monthly"), signup("karim", "2026-01-01"))
    await books.play(tick("2026-02-01"))

    await notify(books)

    assert {each["customer_id"]: each["amount"] for each in await sent(books)} == {
        "rahim": "2000.00",
        "karim": "2000.00",
    }
    asked = await books.rows(
        "SELECT customer_id, amount_to_pay::text FROM report.invoice WHERE period = '2026-02'"
    )
    assert dict(asked) == {"rahim": "1000.00", "karim": "2000.00"}


async def test_what_a_silent_signup_bills_is_not_told_and_what_is_billed_later_is(
    books: Booked,
) -> None:
    await books.play(signup("rahim", "2026-01-01", silent=True), tick("2026-01-05"))
    await notify(books)
    assert await sent(books) == []

    await books.play(tick("2026-02-01"))
    await notify(books)

    assert [(each["notice_id"], each["amount"]) for each in await sent(books)] == [
        ("due/rahim/2026-02", "2000.00")
    ]


async def test_money_that_waits_for_a_first_period_has_its_receipt_at_once_and_only_one(
    connection: asyncpg.Connection,
) -> None:
    """It bears the month of its local date. What else waits has none, and who wants no texts."""
    kept, later = workers.Kept(connection), {"bill_from": "2026-03-01"}
    await kept.policy('[[staff]]\nid = "boss"\nmay = ["adjust", "refund"]\n')
    await kept.tell(workers.payment("p-0", "rahim", "0.50", "2025-12-31"))
    await kept.tell(
        workers.signup("rahim", "2026-01-01", **later),
        workers.signup("karim", "2026-01-01", texting=False, **later),
    )
    await kept.tell(
        workers.payment("p-1", "rahim", "500.25", "2026-01-31", received_at="2026-01-31T19:00:00Z"),
        workers.adjustment("a-1", "rahim", "70.00", "2026-01"),
        workers.refund("r-1", "rahim", "5.00"),
        workers.payment("p-2", "karim", "500.00", "2026-01-31"),
    )
    asked = [(message.key or b"").decode() for message in await leaving(connection, RECHECKS)]
    assert asked[2:] == ["karim", "rahim"]

    async def told() -> list[tuple[str, ...]]:
        lines = await Booked(connection).told()
        async with connection.transaction():
            await tell(connection, lines, ["karim", "rahim"], bucket)
        receipts = [each for each in await data_of(connection, NOTIFICATIONS)
                    if each["kind"] == "receipt"]  # fmt: skip
        return [(each["notice_id"], each["period"], each["amount"]) for each in receipts]

    waiting = [("receipt/p-0", "2025-12", "0.50"), ("receipt/p-1", "2026-02", "500.25")]
    assert await told() == waiting

    await kept.tick("2026-03-01")
    assert await told() == waiting


async def test_money_that_a_quarantine_stops_has_no_receipt_before_it_applies(
    connection: asyncpg.Connection,
) -> None:
    kept = workers.Kept(connection)
    await kept.tell(workers.signup("rahim", "2026-01-01"))
    await connection.execute(
        "INSERT INTO book.quarantine SELECT customer_id, 'Broken: oh', now(), bucket"
        " FROM book.account"
    )
    await kept.tell(workers.payment("p-1", "rahim", "6.00", "2026-01-02"))
    assert await connection.fetchval("SELECT reason FROM report.parked") == "quarantined"

    async with connection.transaction():
        await tell(connection, [], ["rahim"], bucket)

    assert await data_of(connection, NOTIFICATIONS) == []


async def test_the_undo_of_a_bill_s_cancellation_is_a_correction_and_no_second_due_notice(
    books: Booked,
) -> None:
    await books.play(BOSS, signup("rahim", "2026-01-01"))
    await notify(books)
    await books.play(cancel("x-1", "rahim", "bill/rahim/2026-01", "2026-01-02"))
    await books.play(cancel("x-2", "rahim", "cancellation/x-1", "2026-01-02"))

    await notify(books, after=1)

    assert [(each["notice_id"], each["amount"]) for each in await sent(books)] == [
        ("due/rahim/2026-01", "1000.00"),
        ("correction/x-1", "1000.00"),
        ("correction/x-2", "1000.00"),
    ]


async def test_entitlements_follow_payment_suspension_and_grace(books: Booked) -> None:
    told: list[tuple[str, str, int]] = []

    async def look(*rechecks: str, after: int = 0) -> None:
        await notify(books, *rechecks, after=after)
        (last,) = await sent(books, ENTITLEMENTS)
        if (found := (last["expires_on"], last["status"], last["seq"])) not in told:
            told.append(found)

    await books.play(BOSS, signup("rahim", "2026-01-01"), tick("2026-01-05"))
    await look()
    await books.play(pay("p-1", "rahim", 100_000, "2026-01-06"))
    await look(after=1)
    await look("rahim", after=2)
    await books.play(change("h-1", "rahim", "2026-01-10", status="suspended"))
    await look("rahim", after=2)
    await books.play(tick("2026-01-10"))
    await look("rahim", after=2)
    await books.play(BOSS.__class__(2, grace_days=0))
    await look("rahim", after=2)

    assert told == [
        ("2026-01-11", "active", 1),
        ("2026-02-11", "active", 2),
        ("2026-02-11", "suspended", 3),
        ("2026-02-01", "suspended", 4),
    ]


async def test_an_entitlement_that_changes_twice_before_it_leaves_leaves_as_it_is_then(
    books: Booked,
) -> None:
    await books.play(signup("rahim", "2026-01-01"), tick("2026-01-05"))
    await notify(books)
    await books.play(pay("p-1", "rahim", 100_000, "2026-01-06"))
    await notify(books, after=1)

    told = await sent(books, ENTITLEMENTS)

    assert [(each["expires_on"], each["seq"]) for each in told] == [("2026-02-11", 2)]


async def test_a_customer_with_no_bill_yet_is_told_by_a_recheck(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01", bill_from=books.now.date().replace(month=6)))

    await notify(books, "rahim", "nobody")

    assert await sent(books) == []
    assert [each["expires_on"] for each in await sent(books, ENTITLEMENTS)] == [None]


async def test_two_batches_about_one_customer_tell_in_the_order_in_which_they_read(
    books: Booked, database: str
) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    lines = await books.told()
    other = await asyncpg.connect(database)
    first = books.connection.transaction()
    await first.start()
    await tell(books.connection, lines, [], bucket)

    async def second() -> None:
        async with other.transaction():
            await tell(other, lines, ["rahim"], bucket)

    waiting = asyncio.create_task(second())
    await until(
        lambda: books.connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)",
            other.get_server_pid(),
        ),
        "the second batch to wait for the first",
    )
    await first.commit()
    await waiting
    await other.close()

    assert len(await sent(books)) == 1
    assert len(await sent(books, ENTITLEMENTS)) == 1


async def test_a_great_batch_takes_as_many_statements_as_a_small_one(books: Booked) -> None:
    counts = []
    for first, last in ((0, COPY_FROM_ROWS), (COPY_FROM_ROWS, COPY_FROM_ROWS * 4)):
        await books.play(*(signup(f"c-{n}", "2026-01-01") for n in range(first, last)))
        lines = await books.told(first)
        statements: list[str] = []

        with books.connection.query_logger(lambda log, kept=statements: kept.append(log.query)):
            async with books.connection.transaction():
                made = await tell(books.connection, lines, [], bucket)

        assert len(made) == last - first
        # asyncpg asks once a connection for types that it does not know.
        ours = [each for each in statements if "pg_catalog" not in each and "'jit'" not in each]
        counts.append(len(ours))

    assert counts[1] <= counts[0] < 12
