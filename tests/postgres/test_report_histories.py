"""On random histories the views say what the naive model says, to the last digit."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.ledger.commands import PaymentReceived
from shared.ledger.policy.policy import Policy
from shared.ledger.statement import Statement
from tests.postgres.booked import Booked
from tests.support.histories import history
from tests.support.naive import Naive
from tests.support.naive_account import Account
from tests.support.naive_prices import days_between
from tests.support.naive_views import customer, invoices

SEEDS = range(100, 108)
STATEMENT = (
    "period, coverage_from, coverage_to, previous_due, charge, discount, vat, billed, paid, due,"
    " standing"
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed-{seed}")
async def test_every_view_agrees_with_the_naive_model(books: Booked, seed: int) -> None:
    naive = Naive()
    known: list[tuple[datetime, dict[str, list[Any]]]] = []

    for step in history(seed, size=60).steps:
        naive.apply_policy(step) if isinstance(step, Policy) else naive.apply(step)
        await books.play(step)
        known.append((books.now, {each: naive.statement(each) for each in naive.accounts}))

    for customer_id, account in naive.accounts.items():
        assert await _of(books, STATEMENT, "statement", customer_id) == list(
            map(tuple, naive.statement(customer_id))
        )
        assert await _of(
            books, "period, amount, paid, open, status, amount_to_pay", "invoice", customer_id
        ) == list(map(tuple, invoices(naive, customer_id)))
        expected = customer(naive, customer_id)._replace(billed_through=account.billed_through())
        waiting = [
            each.amount
            for each in naive.parked.get(customer_id, ())
            if isinstance(each, PaymentReceived)
        ]
        assert await _of(books, "*", "customer", customer_id) == [(*expected, sum(waiting))]
        assert await _paid(books, customer_id) == _payments(account)
        assert await _days(books, customer_id) == _states(naive, account)
        await _stated(books, customer_id)
    await books.number()
    assert await books.rows("SELECT * FROM report.reconciliation") == [(0,) * 7]
    for instant, statements in known[:: len(known) // 6]:
        for customer_id in naive.accounts:
            rows = await books.rows(
                f"SELECT {STATEMENT} FROM report.statement_as_of($1, $2) ORDER BY period",
                customer_id,
                instant,
            )
            assert _minor(rows) == list(map(tuple, statements.get(customer_id, ())))


async def _stated(books: Booked, customer_id: str) -> None:
    """What the rules say of their own lines is what the views say."""
    account = books.accounts[customer_id]
    statement = Statement(account.periods, account.opening_due)
    items = await _of(books, "period, amount, paid, open, status", "invoice", customer_id)
    assert [tuple(item) for item in statement.items()] == items
    vip, expires_on = (await _of(books, "vip, expires_on", "customer", customer_id))[0]
    assert account.contact is not None
    days, until = books.policy.grace_days, account.contact.grace_until
    assert vip or statement.expires_on(days, until) == expires_on


async def _of(books: Booked, columns: str, view: str, customer_id: str) -> list[tuple[Any, ...]]:
    return _minor(
        await books.rows(
            f"SELECT {columns} FROM report.{view} WHERE customer_id = $1 ORDER BY 1", customer_id
        )
    )


def _minor(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Read amounts as minor units."""
    return [
        tuple(int(cell * 100) if isinstance(cell, Decimal) else cell for cell in row)
        for row in rows
    ]


async def _paid(books: Booked, customer_id: str) -> list[tuple[Any, ...]]:
    columns = "payment_id, amount, status, refunded, period"
    rows = await _of(books, columns, "payment", customer_id)
    return sorted(row for row in rows if row[2] != "waiting")


def _payments(account: Account) -> list[tuple[Any, ...]]:
    refunds = [entry for _, entry in account.entries("refunds") if entry.live]
    return sorted(
        (
            entry.command_id.removeprefix("payment/"),
            entry.amount,
            "applied" if entry.live else "cancelled",
            sum(refund.amount for refund in refunds if refund.of == entry.command_id),
            period.label,
        )
        for period, entry in account.entries("payments")
    )


async def _days(books: Booked, customer_id: str) -> list[tuple[date, str]]:
    """Return each day with its state; a day in two states comes up twice."""
    return [
        (day, state)
        for starts, ends, state in await books.rows(
            "SELECT day_from, day_to, state FROM report.coverage WHERE customer_id = $1"
            " ORDER BY day_from",
            customer_id,
        )
        for day in days_between(starts, ends)
    ]


def _states(naive: Naive, account: Account) -> list[tuple[date, str]]:
    """The state of each day, from the first billed to the business date at least."""
    words = {"active": "billed"}
    states = []
    for period in account.periods:
        for day in days_between(period.starts, period.ends):
            status = account.status.on(day)
            state = "cancelled" if period.is_cancelled() else words.get(status, status)
            states.append((day, state))
    if naive.business_date is not None:
        until = naive.business_date + timedelta(days=1)
        for day in days_between(account.billed_through(), until):
            left = account.status.on(day) == "left"
            states.append((day, "left" if left else "not_yet_billed"))
    return states
