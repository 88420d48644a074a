"""Each figure of report.reconciliation finds what it is there to find."""

from datetime import UTC, datetime

import pytest

from shared.ledger.line import GENESIS, Line, chained
from tests.postgres.booked import BOSS, Booked, adjust, change, day, pay, signup, tick

ZERO = {
    "broken_chains": 0,
    "uncovered_days": 0,
    "missing_months": 0,
    "double_bills": 0,
    "hash_breaks": 0,
    "document_gaps": 0,
    "undocumented_lines": 0,
}
AWKWARD = "back\\slash, \\n no feed,\na feed\r\n, ৳ টাকা, 🙂, \\N and \\\\N"


async def found(books: Booked) -> dict[str, int]:
    """Return the figures that are not 0, once all documents are numbered."""
    await books.number()
    row = await books.connection.fetchrow("SELECT * FROM report.reconciliation")
    return {name: count for name, count in dict(row).items() if count}


async def planted(books: Booked, *statements: str) -> dict[str, int]:
    """Change the ledger as only one who removes its guards can; return what is found."""
    await books.connection.execute("ALTER TABLE book.line DISABLE TRIGGER USER")
    for statement in statements:
        await books.connection.execute(statement)
    return await found(books)


async def three_months(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"), signup("karim", "2026-01-10"))
    await books.play(tick("2026-03-31"), pay("p-1", "rahim", 100, "2026-01-05"))
    assert await found(books) == {}


async def test_a_sound_book_has_nothing_to_find(books: Booked) -> None:
    await three_months(books)

    row = await books.connection.fetchrow("SELECT * FROM report.reconciliation")

    assert dict(row) == ZERO


async def test_a_changed_amount_breaks_the_hash(books: Booked) -> None:
    await three_months(books)

    assert await planted(
        books, "UPDATE book.line SET actor = 'thief' WHERE customer_id = 'rahim' AND seq = 4"
    ) == {"hash_breaks": 1}


async def test_a_due_that_does_not_follow_breaks_the_chain(books: Booked) -> None:
    await three_months(books)

    figures = await planted(
        books,
        "UPDATE book.line SET paid = paid + 5, due = due - 5"
        " WHERE customer_id = 'karim' AND seq = 2",
    )

    assert figures == {"broken_chains": 1, "hash_breaks": 1}


async def test_a_line_taken_out_is_missed(books: Booked) -> None:
    await three_months(books)

    figures = await planted(books, "DELETE FROM book.line WHERE customer_id = 'rahim' AND seq = 4")

    # Its period is left with revisions 0 only, its follower with a gap in seq and another hash.
    assert figures["broken_chains"] >= 1
    assert figures["hash_breaks"] == 1


async def test_a_line_taken_out_from_between_two_others_is_missed(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"), pay("p-1", "rahim", 100, "2026-01-05"))
    await books.play(pay("p-2", "rahim", 100, "2026-01-05"))

    figures = await planted(books, "DELETE FROM book.line WHERE seq = 2")

    assert figures == {"broken_chains": 1, "hash_breaks": 1}


async def test_a_last_month_taken_out_is_missed(books: Booked) -> None:
    await three_months(books)

    figures = await planted(books, "DELETE FROM book.line WHERE customer_id = 'karim' AND seq = 3")

    assert figures == {"missing_months": 1, "uncovered_days": 31}


async def test_a_month_taken_out_of_the_middle_is_missed(books: Booked) -> None:
    await three_months(books)

    figures = await planted(
        books, "DELETE FROM book.line WHERE customer_id = 'karim' AND period = '2026-02'"
    )

    assert figures["missing_months"] == 1
    assert figures["uncovered_days"] == 28


async def test_a_customer_without_a_bill_is_missed_once_a_run_is_done(books: Booked) -> None:
    await three_months(books)

    figures = await planted(books, "DELETE FROM book.line WHERE customer_id = 'karim'")

    assert figures == {"missing_months": 3, "uncovered_days": 81}


async def test_a_second_bill_on_a_standing_one_is_found(books: Booked) -> None:
    await three_months(books)

    figures = await planted(
        books,
        """
        INSERT INTO book.line
        SELECT (jsonb_populate_record(line, jsonb_build_object(
            'seq', 4, 'revision', 1, 'bill_seq', 4
        ))).*
        FROM book.line WHERE customer_id = 'karim' AND seq = 3
        """.replace("INSERT INTO book.line", "INSERT INTO book.line OVERRIDING SYSTEM VALUE"),
    )

    assert figures["double_bills"] == 1


async def test_two_labels_that_begin_in_one_month_are_a_double_bill(books: Booked) -> None:
    await three_months(books)

    figures = await planted(
        books,
        "UPDATE book.line SET coverage_from = '2026-02-20'"
        " WHERE customer_id = 'karim' AND period = '2026-03'",
    )

    assert figures["double_bills"] == 1
    assert figures["uncovered_days"] == 9


async def test_who_left_or_is_quarantined_is_not_behind(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"), signup("karim", "2026-01-10"))
    await books.play(change("h-1", "rahim", "2026-01-12", status="left"))
    await books.connection.execute(
        "INSERT INTO book.quarantine SELECT 'karim', 'Broken', '2026-01-20', bucket"
        " FROM book.account WHERE customer_id = 'karim'"
    )
    books.accounts.pop("karim")
    await books.play(tick("2026-03-31"))

    assert await found(books) == {}


async def test_who_left_is_behind_once_their_return_is_known_and_has_passed(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    await books.play(change("h-1", "rahim", "2026-01-12", status="left"), tick("2026-01-31"))
    await books.play(change("h-2", "rahim", "2026-03-10", status="active"), tick("2026-03-31"))
    assert await found(books) == {}

    figures = await planted(books, "DELETE FROM book.line WHERE period > '2026-01'")

    assert figures == {"missing_months": 2, "uncovered_days": 59}


async def test_who_was_back_only_for_a_while_is_not_behind_after_they_left_again(
    books: Booked,
) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    for number, (on, status) in enumerate(
        (("2026-01-05", "left"), ("2026-01-10", "active"), ("2026-01-20", "left"))
    ):
        await books.play(change(f"h-{number}", "rahim", on, status=status))
    await books.play(change("h-3", "rahim", "2026-03-10", status="left"), tick("2026-03-31"))

    assert await found(books) == {}


async def test_a_run_not_done_yet_leaves_nobody_behind(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"), tick("2026-01-31"))
    await books.connection.execute(
        "INSERT INTO book.run (tick_id, period, as_of, trigger)"
        " VALUES ('t', '2026-02', '2026-02-28', 'nightly')"
    )
    await books.connection.execute("UPDATE book.fleet SET business_date = '2026-02-28'")

    assert await found(books) == {}


@pytest.mark.parametrize("reason", [AWKWARD, "", "\\", "\n", "\\n"])
async def test_python_and_sql_hash_the_same_bytes(books: Booked, reason: str) -> None:
    await books.play(BOSS, signup("rahim", "2026-01-31", opening_due=-7), tick("2026-02-28"))
    await books.play(adjust("a-1", "rahim", -9_999_999_999_99, "2026-02", reason))
    rows = await books.connection.fetch("SELECT * FROM book.line ORDER BY seq")

    tip = GENESIS
    for row in rows:
        line = Line(*tuple(row)[: len(Line._fields)])
        tip = chained(line, tip)
        assert line.hash == tip
    assert [line.reason for line in books.lines("rahim")][-1] == reason
    assert await found(books) == {}


async def test_the_hash_depends_on_no_setting_of_the_session(books: Booked) -> None:
    await three_months(books)
    await books.connection.execute(
        "SET DateStyle = 'German'; SET TimeZone = 'America/New_York'; SET bytea_output = 'escape'"
    )

    assert await found(books) == {}


async def test_a_fraction_of_a_second_counts_in_the_hash(books: Booked) -> None:
    books.now = datetime(2026, 1, 1, 23, 59, 59, 9, tzinfo=UTC)
    await books.play(signup("rahim", "2026-01-01"))

    assert await found(books) == {}
    assert await planted(
        books, "UPDATE book.line SET recorded_at = recorded_at + interval '1 microsecond'"
    ) == {"hash_breaks": 1}


def test_the_days_of_these_tests_are_days() -> None:
    assert (day("2026-04-01") - day("2026-01-10")).days == 81
