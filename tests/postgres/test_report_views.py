"""The views of docs/ledger.md on small stories; random histories are in test_report_histories."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from shared.ledger.policy.policy import Policy
from shared.ledger.terms import Package
from tests.postgres.booked import (
    BOSS,
    Booked,
    adjust,
    bill_up_to,
    cancel,
    change,
    day,
    pay,
    signup,
    tick,
)

AMOUNT = "numeric(18,2)"
COLUMNS = {
    "ledger": (
        "customer_id text, seq integer, period text, revision integer, kind text,"
        f" previous_due {AMOUNT}, charge {AMOUNT}, discount {AMOUNT}, vat {AMOUNT},"
        f" billed {AMOUNT}, paid {AMOUNT}, due {AMOUNT}, coverage_from date, coverage_to date,"
        " command_id text, reverses text, effective_on date, actor text, reason text,"
        " policy_version integer, recorded_at timestamp with time zone, hash bytea"
    ),
    "statement": (
        f"customer_id text, period text, coverage_from date, coverage_to date,"
        f" previous_due {AMOUNT}, charge {AMOUNT}, discount {AMOUNT}, vat {AMOUNT},"
        f" billed {AMOUNT}, paid {AMOUNT}, due {AMOUNT}, revision integer, standing boolean"
    ),
    "customer": (
        "customer_id text, name text, phone text, mode text, cycle_kind text, cycle_day integer,"
        f" vip boolean, status text, due {AMOUNT}, billed_through date, expires_on date,"
        f" username text, package text, price {AMOUNT}, texting boolean, waiting {AMOUNT}"
    ),
    "payment": (
        f"payment_id text, customer_id text, amount {AMOUNT}, method text, channel text,"
        " reference text, received_on date, recorded_at timestamp with time zone, actor text,"
        f" status text, refunded {AMOUNT}, period text"
    ),
    "invoice": (
        f"customer_id text, period text, amount {AMOUNT}, paid {AMOUNT}, open {AMOUNT},"
        f" status text, amount_to_pay {AMOUNT}"
    ),
    "command": (
        "command_id text, type text, customer_id text, outcome text, reason text, actor text,"
        f" amount {AMOUNT}, said jsonb, recorded_at timestamp with time zone"
    ),
    "refusal": (
        "command_id text, type text, customer_id text, reason text, actor text,"
        f" amount {AMOUNT}, said jsonb, ce_id text, ce_source text,"
        " recorded_at timestamp with time zone"
    ),
    "parked": (
        "command_id text, customer_id text, type text, parked_at timestamp with time zone,"
        " reason text"
    ),
    "run": (
        "tick_id text, period text, as_of date, trigger text,"
        " started_at timestamp with time zone, finished_at timestamp with time zone, status text,"
        " billed bigint, skipped bigint, already_billed bigint, quarantined bigint"
    ),
    "quarantine": "customer_id text, reason text, since timestamp with time zone",
    "coverage": "customer_id text, day_from date, day_to date, state text",
    "notice": (
        f"notice_id text, customer_id text, kind text, period text, amount {AMOUNT}, text text,"
        " segments smallint, status text, created_at timestamp with time zone"
    ),
    "document": (
        "number text, kind text, customer_id text, period text, seq integer, command_id text,"
        f" issued_on date, refers_to text, net {AMOUNT}, vat {AMOUNT}, total {AMOUNT}, status text"
    ),
    "document_tax": f"number text, code text, rate numeric, net {AMOUNT}, tax {AMOUNT}",
    "aging": (
        f"customer_id text, due {AMOUNT}, credit {AMOUNT}, not_yet {AMOUNT}, days_0_30 {AMOUNT},"
        f" days_31_60 {AMOUNT}, days_61_90 {AMOUNT}, days_over_90 {AMOUNT}"
    ),
    "receipts": (
        "recorded_on date, received_on date, actor text, method text, channel text, kind text,"
        f" count bigint, amount {AMOUNT}"
    ),
    "sales": (
        f"month text, kind text, documents bigint, net {AMOUNT}, vat {AMOUNT}, total {AMOUNT}"
    ),
    "tax": f"month text, code text, rate numeric, net {AMOUNT}, tax {AMOUNT}",
    "month": f"month text, billed {AMOUNT}, collected {AMOUNT}, due_at_end {AMOUNT}",
    "reconciliation": (
        "broken_chains bigint, uncovered_days bigint, missing_months bigint, double_bills bigint,"
        " hash_breaks bigint, document_gaps bigint, undocumented_lines bigint"
    ),
}


@pytest.mark.parametrize("view", COLUMNS)
async def test_a_view_has_the_columns_that_others_rely_on_in_order(
    books: Booked, view: str
) -> None:
    found = await books.rows(
        "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 ORDER BY attnum",
        f"report.{view}",
    )

    assert ", ".join(column for (column,) in found) == COLUMNS[view]


async def customer(books: Booked, *columns: str) -> tuple[Any, ...]:
    (row,) = await books.rows(f"SELECT {', '.join(columns)} FROM report.customer")
    return row


async def invoices(books: Booked) -> list[tuple[Any, ...]]:
    """Rows as (period, amount, paid, open, status, amount_to_pay), whole amounts."""
    rows = await books.rows(
        "SELECT period, amount, paid, open, status, amount_to_pay FROM report.invoice"
        " ORDER BY period"
    )
    assert all(isinstance(row[1], Decimal) for row in rows)
    return [tuple(str(cell) if isinstance(cell, Decimal) else cell for cell in row) for row in rows]


# Ledger and statement ------------------------------------------------------------------------


async def test_the_ledger_shows_every_line_and_the_statement_the_last_of_each_period(
    books: Booked,
) -> None:
    await books.play(signup("rahim", "2026-01-17"), tick("2026-02-01"))
    await books.play(pay("p-1", "rahim", 20_000, "2026-01-20"))

    ledger = await books.rows(
        "SELECT seq, period, revision, kind, billed::text, paid::text, due::text"
        " FROM report.ledger ORDER BY seq"
    )
    statement = await books.rows(
        "SELECT period, previous_due::text, due::text, revision, standing FROM report.statement"
        " ORDER BY period"
    )

    assert ledger == [
        (1, "2026-01", 0, "bill", "483.87", "0.00", "483.87"),
        (2, "2026-02", 0, "bill", "1000.00", "0.00", "1483.87"),
        (3, "2026-01", 1, "payment", "483.87", "200.00", "283.87"),
        (4, "2026-02", 1, "restatement", "1000.00", "0.00", "1283.87"),
    ]
    assert statement == [
        ("2026-01", "0.00", "283.87", 1, True),
        ("2026-02", "283.87", "1283.87", 1, True),
    ]


# Customer ------------------------------------------------------------------------------------


async def test_before_the_first_tick_the_customer_shows_the_terms_of_the_signup(
    books: Booked,
) -> None:
    await books.play(
        signup("rahim", "2026-01-17"),
        change("h-1", "rahim", "2026-01-20", mode="monthly", vip=True, name="Karim"),
    )

    assert await customer(books, "name", "mode", "vip") == ("Rahim", "cumulative", False)


async def test_the_customer_shows_the_terms_in_force_on_the_business_date(books: Booked) -> None:
    await books.play(
        signup("rahim", "2026-01-17"),
        tick("2026-01-20"),
        change("h-1", "rahim", "2026-02-10", status="suspended", phone="+8801711000002"),
        tick("2026-02-09"),
    )
    before = await customer(books, "status", "phone")
    await books.play(tick("2026-02-10"))

    assert before == ("active", "+8801711000001")
    assert await customer(books, "status", "phone") == ("suspended", "+8801711000002")


async def test_a_customer_without_a_period_expires_never_and_owes_what_he_brought(
    books: Booked,
) -> None:
    await books.play(signup("rahim", "2026-01-17", bill_from=day("2026-03-05"), opening_due=12_345))

    assert await customer(books, "due", "billed_through", "expires_on") == (
        Decimal("123.45"),
        date(2026, 3, 5),
        None,
    )


async def test_expiry_counts_from_the_oldest_period_not_fully_paid(books: Booked) -> None:
    """Service in advance: on the bill day, where the run comes in time."""
    await books.play(signup("rahim", "2026-01-01"), tick("2026-02-01"), tick("2026-03-01"))
    owing_all = await customer(books, "expires_on")
    await books.play(pay("p-1", "rahim", 100_000, "2026-03-02"))
    owing_two = await customer(books, "expires_on")
    await books.play(pay("p-2", "rahim", 199_999, "2026-03-02"))
    owing_a_paisa = await customer(books, "expires_on")
    await books.play(pay("p-3", "rahim", 1, "2026-03-02"))

    assert owing_all == (date(2026, 1, 11),)
    assert owing_two == (date(2026, 2, 11),)
    assert owing_a_paisa == (date(2026, 3, 11),)
    assert await customer(books, "expires_on") == (date(2026, 4, 11),)


async def test_an_open_opening_due_expires_with_the_first_period(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01", opening_due=5_000), tick("2026-02-01"))
    await books.play(pay("p-1", "rahim", 4_999, "2026-02-02"))
    open_still = await customer(books, "expires_on")
    await books.play(pay("p-2", "rahim", 100_001, "2026-02-02"))

    assert open_still == (date(2026, 1, 11),)
    assert await customer(books, "expires_on") == (date(2026, 2, 11),)


async def test_an_open_opening_due_counts_from_a_first_period_that_cost_nothing(
    books: Booked,
) -> None:
    await books.play(
        signup("rahim", "2026-01-01", opening_due=5_000, package=Package("trial", 0)),
        change("h-1", "rahim", "2026-01-20", prorate=False, package=Package("home", 100_000)),
        tick("2026-02-01"),
    )
    open_still = await customer(books, "expires_on")
    await books.play(pay("p-1", "rahim", 5_000, "2026-02-02"))

    assert open_still == (date(2026, 1, 11),)
    assert await customer(books, "expires_on") == (date(2026, 2, 11),)


async def test_a_vip_never_expires(books: Booked) -> None:
    await books.play(BOSS, signup("rahim", "2026-01-01", vip=True), tick("2026-03-01"))

    assert await customer(books, "due", "expires_on") == (Decimal("3000.00"), None)


async def test_grace_is_that_of_the_latest_policy(books: Booked) -> None:
    await books.play(Policy(1, grace_days=3), signup("rahim", "2026-01-01"))
    before = await customer(books, "expires_on")
    await books.play(Policy(2, grace_days=0))

    assert before == (date(2026, 1, 4),)
    assert await customer(books, "expires_on") == (date(2026, 1, 1),)


# Invoices ------------------------------------------------------------------------------------


async def test_money_settles_the_oldest_invoice_first(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01", mode="monthly"), tick("2026-03-01"))
    await books.play(pay("p-1", "rahim", 150_000, "2026-03-02"))

    assert await invoices(books) == [
        ("2026-01", "1000.00", "1000.00", "0.00", "paid", "0.00"),
        ("2026-02", "1000.00", "500.00", "500.00", "partial", "500.00"),
        ("2026-03", "1000.00", "0.00", "1000.00", "open", "1000.00"),
    ]


async def test_switching_the_mode_changes_what_is_asked_and_no_amount(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"), tick("2026-02-01"))
    await books.play(pay("p-1", "rahim", 150_000, "2026-02-02"))
    statement = await books.rows("SELECT * FROM report.statement")
    cumulative = await invoices(books)
    await books.play(change("h-1", "rahim", "2026-02-03", mode="monthly"), tick("2026-02-03"))
    monthly = await invoices(books)

    assert [row[:5] for row in cumulative] == [row[:5] for row in monthly]
    assert [row[5] for row in cumulative] == ["500.00", "500.00"]
    assert [row[5] for row in monthly] == ["0.00", "500.00"]
    assert await books.rows("SELECT * FROM report.statement") == statement


async def test_opening_due_is_settled_before_any_invoice(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01", opening_due=30_000))
    await books.play(pay("p-1", "rahim", 50_000, "2026-01-02"))

    assert await invoices(books) == [
        ("2026-01", "1000.00", "200.00", "800.00", "partial", "800.00")
    ]


async def test_opening_credit_and_a_negative_bill_are_money(books: Booked) -> None:
    await books.play(
        BOSS, signup("rahim", "2026-01-01", opening_due=-30_000, mode="monthly"), tick("2026-02-01")
    )
    await books.play(adjust("a-1", "rahim", -120_000, "2026-02"))

    assert await invoices(books) == [
        ("2026-01", "1000.00", "500.00", "500.00", "partial", "500.00"),
        ("2026-02", "-200.00", "0.00", "0.00", "nothing_due", "0.00"),
    ]


async def test_a_cancelled_invoice_says_so_until_an_adjustment_makes_it_due(books: Booked) -> None:
    await books.play(BOSS, signup("rahim", "2026-01-01"), tick("2026-01-02"))
    await books.play(cancel("x-1", "rahim", "bill/rahim/2026-01", "2026-01-05"))
    cancelled = await invoices(books)
    await books.play(adjust("a-1", "rahim", 700, "2026-01"))

    assert cancelled == [("2026-01", "0.00", "0.00", "0.00", "cancelled", "0.00")]
    assert await invoices(books) == [("2026-01", "7.00", "0.00", "7.00", "open", "7.00")]


async def test_a_customer_in_credit_is_asked_for_nothing(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"))
    await books.play(pay("p-1", "rahim", 500_000, "2026-01-02"))

    assert await invoices(books) == [("2026-01", "1000.00", "1000.00", "0.00", "paid", "0.00")]


# Coverage ------------------------------------------------------------------------------------


async def coverage(books: Booked) -> list[tuple[Any, ...]]:
    return await books.rows(
        "SELECT day_from::text, day_to::text, state FROM report.coverage ORDER BY day_from"
    )


async def test_each_day_is_in_one_state_through_suspension_leaving_and_cancelling(
    books: Booked,
) -> None:
    await books.play(BOSS, signup("rahim", "2026-01-17"), tick("2026-03-01"))
    await books.play(
        change("h-1", "rahim", "2026-03-11", status="suspended", prorate=True),
        change("h-2", "rahim", "2026-03-21", status="active"),
        cancel("x-1", "rahim", "bill/rahim/2026-02", "2026-03-22"),
        change("h-3", "rahim", "2026-03-25", status="left"),
        tick("2026-04-03"),
    )

    assert await coverage(books) == [
        ("2026-01-17", "2026-02-01", "billed"),
        ("2026-02-01", "2026-03-01", "cancelled"),
        ("2026-03-01", "2026-03-11", "billed"),
        ("2026-03-11", "2026-03-21", "suspended"),
        ("2026-03-21", "2026-04-01", "billed"),
        ("2026-04-01", "2026-04-04", "left"),
    ]


async def test_billed_ahead_is_one_stretch_and_the_business_date_is_no_end(books: Booked) -> None:
    await books.play(BOSS, signup("rahim", "2026-01-01"), tick("2026-01-05"))
    await books.play(bill_up_to("u-1", "rahim", "2026-06-30", "2026-01-05"))

    assert await coverage(books) == [("2026-01-01", "2026-07-01", "billed")]


async def test_days_that_a_run_has_not_reached_are_not_yet_billed(books: Booked) -> None:
    await books.play(signup("rahim", "2026-01-01"), tick("2026-01-31"))
    await books.connection.execute("UPDATE book.fleet SET business_date = '2026-02-02'")

    assert await coverage(books) == [
        ("2026-01-01", "2026-02-01", "billed"),
        ("2026-02-01", "2026-02-03", "not_yet_billed"),
    ]


# Outcomes and runs ---------------------------------------------------------------------------


async def test_commands_parked_runs_and_quarantine_are_shown(books: Booked) -> None:
    await books.play(pay("p-1", "karim", 100, "2026-01-01"), signup("rahim", "2026-01-01"))
    await books.play(adjust("a-1", "rahim", 100, "2026-01"), tick("2026-01-31"))
    await books.connection.execute(
        "INSERT INTO book.page (tick_id, number, first_bucket, end_bucket, at_bucket,"
        " billed, skipped, already_billed, quarantined)"
        " VALUES ('2026-01-31', 0, 0, 8, 0, 1, 2, 3, 4),"
        " ('2026-01-31', 1, 8, 16, 8, 10, 20, 30, 40)"
    )
    await books.connection.execute(
        "INSERT INTO book.quarantine VALUES ('karim', 'Broken: oh', '2026-01-20', 7)"
    )

    assert await books.rows(
        "SELECT command_id, customer_id, outcome, reason FROM report.command ORDER BY command_id"
    ) == [
        ("adjustment/a-1", "rahim", "refused", "not_permitted"),
        ("signup/rahim", "rahim", "accepted", None),
    ]
    assert await books.rows("SELECT command_id, customer_id, reason FROM report.parked") == [
        ("payment/p-1", "karim", "not_signed_up")
    ]
    assert await books.rows(
        "SELECT tick_id, status, billed, skipped, already_billed, quarantined FROM report.run"
    ) == [("2026-01-31", "done", 11, 22, 33, 44)]
    assert await books.rows("SELECT customer_id, reason FROM report.quarantine") == [
        ("karim", "Broken: oh")
    ]


# What it costs -------------------------------------------------------------------------------


async def test_a_statement_is_read_from_one_index_without_sorting_lines(books: Booked) -> None:
    await books.connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")

    plan = await books.rows("EXPLAIN SELECT * FROM report.statement WHERE customer_id = 'rahim'")

    text = "\n".join(line for (line,) in plan)
    assert "Index Scan Backward using line_revision on line" in text
    assert "Index Cond: (customer_id = 'rahim'::text)" in text
    assert "Sort" not in text


async def test_without_a_policy_the_days_of_grace_are_those_of_the_empty_one(
    books: Booked,
) -> None:
    """report.sql names the figure a second time, for a book in which no policy was applied."""
    await books.play(signup("rahim", "2026-01-01"))
    without = await books.rows("SELECT expires_on FROM report.customer")

    await books.play(Policy(1))

    assert await books.rows("SELECT expires_on FROM report.customer") == without
    assert without[0][0] is not None
