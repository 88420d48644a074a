"""The reports: by hand on small books, and against the ledger on random histories."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff, Tax
from shared.ledger.statement import Statement
from tests.postgres.booked import Booked, adjust, cancel, change, pay, signup, tick
from tests.support.histories import VAT_NEW, history

ZONE = ZoneInfo("Asia/Dhaka")
BOSS = Policy(1, (VAT_NEW,), staff={"boss": Staff(PERMISSIONS)})  # type: ignore[arg-type]
D = Decimal


async def report(books: Booked, name: str, columns: str = "*") -> list[tuple[Any, ...]]:
    await books.number()
    return await books.rows(f"SELECT {columns} FROM report.{name} ORDER BY 1, 2, 3, 4")


async def test_aging_counts_from_the_day_on_which_each_period_was_asked_for(books: Booked) -> None:
    await books.play(
        Policy(1, (), staff={"boss": Staff(PERMISSIONS)}),  # type: ignore[arg-type]
        signup("rahim", "2026-01-01", opening_due=5_000),
        signup("karim", "2026-01-01"),
        *(tick(f"2026-0{month}-01") for month in range(1, 5)),
        signup("late", "2026-04-20", opening_due=-200_000),
        pay("p-1", "rahim", 130_000, "2026-04-02"),
        pay("p-2", "karim", 400_000, "2026-04-02"),
    )

    rows = await report(books, "aging", "customer_id, due, credit, not_yet, days_0_30,"
                        " days_31_60, days_61_90, days_over_90")  # fmt: skip

    # Rahim: 50.00 and January are paid, 750.00 of February is open, since 1 February: 59 days.
    assert rows == [
        ("karim", D(0), D(0), D(0), D(0), D(0), D(0), D(0)),
        ("late", D("-1633.33"), D("1633.33"), D(0), D(0), D(0), D(0), D(0)),
        ("rahim", D(2750), D(0), D(0), D(1000), D(1750), D(0), D(0)),
    ]


async def test_before_the_first_tick_and_before_a_first_period_nothing_is_late(
    books: Booked,
) -> None:
    await books.play(
        signup("rahim", "2026-01-01"),
        signup("later", "2026-01-01", bill_from=date(2026, 3, 1), opening_due=7_000),
    )

    assert sorted(await books.rows("SELECT customer_id, due, not_yet FROM report.aging")) == [
        ("later", D(70), D(70)),
        ("rahim", D(1000), D(1000)),
    ]


async def test_a_reversal_of_money_bears_the_words_of_what_it_takes_back(books: Booked) -> None:
    await books.play(
        BOSS,
        signup("rahim", "2026-01-01"),
        pay("p-1", "rahim", 30_000, "2026-01-05"),
        cancel("c-1", "rahim", "payment/p-1", "2026-01-09"),
        cancel("c-2", "rahim", "cancellation/c-1", "2026-01-10"),
        pay("p-2", "nobody", 500, "2026-01-06"),
    )

    rows = await report(
        books, "receipts", "kind, received_on, actor, method, channel, count, amount"
    )

    words = (date(2026, 1, 5), "field-1", "cash", "field")
    assert sorted(rows) == [
        ("payment", *words, 1, D(300)),
        ("reversal", *words, 2, D(0)),
        ("waiting", date(2026, 1, 6), *words[1:], 1, D(5)),
    ]


async def test_sales_and_tax_subtract_credit_notes(books: Booked) -> None:
    await books.play(
        Policy(
            1,
            (Tax("SD", 100_000, date(2025, 1, 1), None), VAT_NEW),
            staff={"boss": Staff(PERMISSIONS)},  # type: ignore[arg-type]
        ),
        signup("rahim", "2026-01-01"),
        signup("exempt", "2026-01-01", vat_exempt=True),
        adjust("a-1", "rahim", -10_000, "2026-01"),
        change("ch-1", "rahim", "2026-01-02", status="suspended", prorate=True),
    )
    month = (await books.rows("SELECT to_char(now() AT TIME ZONE 'Asia/Dhaka', 'YYYY-MM')"))[0][0]

    sales = await report(books, "sales", "month, kind, documents, net, vat, total")
    tax = await report(books, "tax", "month, code, rate, net, tax")

    # SD 10 % of 1000.00, VAT 7.5 % of 1100.00; the credit of 100.00 at the same rates.
    # Suspended from 2 January: 32.26 is left of 1000.00.
    assert sales == [
        (month, "credit_note", 2, D("-1067.74"), D("-194.86"), D("-1262.60")),
        (month, "invoice", 2, D("2000.00"), D("182.50"), D("2182.50")),
    ]
    assert tax == [
        (month, "", D(0), D("1000.00"), D("0.00")),
        (month, "SD", D(10), D("-67.74"), D("-6.77")),
        (month, "VAT", D("7.5"), D("-74.51"), D("-5.59")),
    ]


async def test_months_carry_the_due_of_all_customers(books: Booked) -> None:
    # Each step is recorded a second after the one before it, from 2026-01-01 00:00 UTC on.
    await books.play(signup("rahim", "2026-01-01", opening_due=5_000), signup("k", "2026-01-01"))
    books.now = books.now.replace(month=3)
    await books.play(pay("p-1", "rahim", 30_000, "2026-01-05"))

    assert await report(books, "month") == [
        ("2026-01", D(2000), D(0), D(2050)),
        ("2026-02", D(0), D(0), D(2050)),
        ("2026-03", D(0), D(300), D(1750)),
    ]


@pytest.mark.parametrize("seed", range(700, 710), ids=lambda seed: f"seed-{seed}")
async def test_on_random_histories_the_reports_agree_with_the_ledger(
    books: Booked, seed: int
) -> None:
    steps = history(seed, size=60).steps
    await books.play(*steps[:40])
    await books.number()
    await books.play(*steps[40:])  # some lines have no document yet: months know them
    assert await books.rows("SELECT * FROM report.month ORDER BY 1") == await _months(books)
    await books.number()

    assert await books.rows("SELECT * FROM report.month ORDER BY 1") == await _months(books)
    (paid,) = await books.rows("SELECT coalesce(sum(paid), 0) FROM report.statement")
    (taken,) = await books.rows(
        "SELECT coalesce(sum(amount), 0) FROM report.receipts WHERE kind <> 'waiting'"
    )
    assert taken == paid
    (billed,) = await books.rows(
        "SELECT coalesce(sum(charge - discount), 0), coalesce(sum(vat), 0),"
        " coalesce(sum(billed), 0) FROM report.statement"
    )
    (sold,) = await books.rows(
        "SELECT coalesce(sum(net), 0), coalesce(sum(vat), 0), coalesce(sum(total), 0)"
        " FROM report.sales"
    )
    assert sold == billed
    (taxed,) = await books.rows("SELECT coalesce(sum(tax), 0) FROM report.tax")
    assert taxed[0] == billed[1]
    aging = "SELECT customer_id, due, credit, not_yet, days_0_30, days_31_60, days_61_90,"
    aging += ' days_over_90 FROM report.aging ORDER BY customer_id COLLATE "C"'
    assert await books.rows(aging) == _aging(books)


async def _months(books: Booked) -> list[tuple[Any, ...]]:
    """Add up what each line changed, by the local month in which it was recorded."""
    opened: dict[str, Decimal] = defaultdict(Decimal)
    moved: dict[str, list[Decimal]] = defaultdict(lambda: [D(0), D(0)])
    before: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for customer_id, period, billed, paid, at in await books.rows(
        "SELECT customer_id, period, billed, paid, recorded_at FROM report.ledger"
        " ORDER BY customer_id, seq"
    ):
        old = before.get((customer_id, period), (D(0), D(0)))
        month = moved[f"{at.astimezone(ZONE):%Y-%m}"]
        month[0], month[1] = month[0] + billed - old[0], month[1] + paid - old[1]
        before[customer_id, period] = billed, paid
    for due, at in await books.rows(
        "SELECT opening_due * 0.01, recorded_at FROM book.account JOIN report.command"
        " USING (customer_id) WHERE type = 'billing.customer.signed_up.v1'"
        " AND outcome = 'accepted' AND opening_due <> 0"
    ):
        month_of = f"{at.astimezone(ZONE):%Y-%m}"
        opened[month_of] += due
        assert moved[month_of] is not None
    rows, due = [], D(0)
    for name in sorted(moved):
        due += opened[name] + moved[name][0] - moved[name][1]
        rows.append((name, *moved[name], due))
    return rows


def _aging(books: Booked) -> list[tuple[Any, ...]]:
    rows = []
    for customer_id in sorted(books.accounts):
        account = books.accounts[customer_id]
        buckets = [0] * 5
        rest = max(account.due, 0)
        items = list(Statement(account.periods, account.opening_due).items())
        days = [line.asked_on for line in account.periods]
        for item, asked_on in zip(items, days, strict=True):
            if account.due > 0:
                buckets[_bucket(books, asked_on)] += item[3]
                rest -= item[3]
        if rest:
            buckets[_bucket(books, days[0] if days else None)] += rest
        amounts = (account.due, max(-account.due, 0), *buckets)
        rows.append((customer_id, *(D(each) / 100 for each in amounts)))
    return rows


def _bucket(books: Booked, asked_on: date | None) -> int:
    if asked_on is None or books.business_date in (None, date.min):
        return 0
    days = (books.business_date - asked_on).days
    return 0 if days < 0 else min(1 + max(days - 1, 0) // 30, 4)
