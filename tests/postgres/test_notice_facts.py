"""What the notifier reads of customers is what the view of customers says."""

from datetime import date

import pytest

from shared.ledger.policy.policy import Policy
from shared.ledger.postgres import notices
from tests.postgres.booked import BOSS, Booked, change, day, signup, tick
from tests.support.histories import history

VIEW = """
SELECT
    customer_id, phone, language, mode, status, expires_on, due, period, billed, standing, bill_seq,
    (
        SELECT command_id FROM book.line
        WHERE line.customer_id = customer.customer_id AND line.seq = customer.bill_seq
    ),
    coalesce((SELECT max(seq) FROM book.line WHERE line.customer_id = customer.customer_id), 0),
    username, package, texting, untold_seq
FROM book.customer JOIN book.account USING (customer_id) ORDER BY customer_id
"""


@pytest.mark.parametrize("seed", range(300, 308), ids=lambda seed: f"seed-{seed}")
async def test_a_notice_says_of_a_customer_what_the_view_says(books: Booked, seed: int) -> None:
    steps = history(seed, size=60).steps
    for number, step in enumerate(steps):
        await books.play(step)
        if isinstance(step, Policy) or number % 5:
            continue
        expected = await books.rows(VIEW)
        customers = [row[0] for row in expected]

        facts = await notices.facts(books.connection, customers)

        assert [tuple(each[:-1]) for each in facts] == expected


async def test_nobody_expires_before_the_day_that_was_granted(books: Booked) -> None:
    """Who has no period yet does not expire, nor does a VIP; an earlier day changes nothing."""
    until = day("2026-01-20")
    await books.play(
        BOSS,
        signup("jamal", "2026-01-01", vip=True),
        signup("karim", "2026-01-01", bill_from=day("2026-03-01")),
        signup("rahim", "2026-01-01"),
        tick("2026-01-05"),
        change("h-j", "jamal", "2026-01-05", grace_until=until),
        change("h-k", "karim", "2026-01-05", grace_until=until),
        change("h-r", "rahim", "2026-01-05", grace_until=until),
    )
    assert await _expiries(books) == [None, None, until]

    await books.play(change("h-2", "rahim", "2026-01-06", grace_until=day("2026-01-07")))
    assert await _expiries(books) == [None, None, day("2026-01-11")]


async def _expiries(books: Booked) -> list[date | None]:
    shown = await books.rows("SELECT expires_on FROM report.customer ORDER BY customer_id")
    facts = await notices.facts(books.connection, ["jamal", "karim", "rahim"])
    assert [each.expires_on for each in facts] == [row[0] for row in shown]
    return [each.expires_on for each in facts]


async def test_who_wants_no_texts_for_some_days_is_known_by_the_business_date(
    books: Booked,
) -> None:
    await books.play(
        signup("rahim", "2026-01-01"),
        tick("2026-01-05"),
        change("h-1", "rahim", "2026-01-06", until=day("2026-01-08"), texting=False),
    )
    for today, texting in (("06", False), ("07", False), ("08", True)):
        await books.play(tick(f"2026-01-{today}"))
        (facts,) = await notices.facts(books.connection, ["rahim"])
        assert await books.rows("SELECT texting FROM report.customer") == [(texting,)]
        assert facts.texting is texting
