"""The naive model's reading of docs/ledger.md: invoices, expires_on, customers, days by state."""

from datetime import date, timedelta
from typing import NamedTuple

from tests.support.naive import Naive
from tests.support.naive_account import Account
from tests.support.naive_prices import days_between


class Invoice(NamedTuple):
    """One row of `report.invoice`; minor units."""

    period: str
    amount: int
    paid: int
    open: int
    status: str
    amount_to_pay: int


class Customer(NamedTuple):
    """One row of `report.customer`."""

    customer_id: str
    name: str
    phone: str
    mode: str
    cycle_kind: str
    cycle_day: int
    vip: bool
    status: str
    due: int
    billed_through: date | None
    expires_on: date | None
    username: str
    package: str
    price: int
    texting: bool


def settled(account: Account) -> tuple[int, list[int]]:
    """Return (opening_due still open, what each period got), the money given oldest first."""
    rows = account.statement()
    opening = account.signup.opening_due
    money = sum(row.paid for row in rows) - sum(min(row.billed, 0) for row in rows)
    money = max(0, money - min(opening, 0))
    opening_paid = min(money, max(opening, 0))
    money -= opening_paid
    paid = []
    for row in rows:
        paid.append(min(money, max(row.billed, 0)))
        money -= paid[-1]
    return max(opening, 0) - opening_paid, paid


def invoices(model: Naive, customer_id: str, mode: str | None = None) -> list[Invoice]:
    """Return an invoice per period, in the customer's mode or in the one asked for."""
    account = model.accounts[customer_id]
    mode = mode or customer(model, customer_id).mode
    _, shares = settled(account)
    made = []
    for period, row, paid in zip(account.periods, account.statement(), shares, strict=True):
        still_open = max(row.billed, 0) - paid
        if period.is_cancelled() and row.billed <= 0:
            status = "cancelled"
        elif row.billed <= 0:
            status = "nothing_due"
        elif still_open == 0:
            status = "paid"
        else:
            status = "partial" if paid else "open"
        ask = max(0, account.due()) if mode == "cumulative" else still_open
        made.append(Invoice(row.period, row.billed, paid, still_open, status, ask))
    return made


def expires_on(model: Naive, customer_id: str) -> date | None:
    """Return the day from which service is no longer paid for; None for VIPs and the unbilled."""
    account = model.accounts[customer_id]
    if not account.periods or _on(model, account).vip:
        return None
    opening_open, shares = settled(account)
    day = account.billed_through()
    for period, row, paid in zip(account.periods, account.statement(), shares, strict=True):
        if paid < row.billed:
            day = period.asked_on()
            break
    if opening_open:
        day = account.periods[0].asked_on()
    day += timedelta(days=model.policy.grace_days)
    return max(day, account.grace_until or day)


class _Terms(NamedTuple):
    name: str
    phone: str
    mode: str
    cycle_kind: str
    cycle_day: int
    vip: bool
    status: str
    package: str
    price: int
    texting: bool


def _on(model: Naive, account: Account) -> _Terms:
    """Return the terms in force on the business date; before the first tick, the signup's."""
    signup, day = account.signup, model.business_date
    version = model.policy.version
    if day is None:
        cycle, anchor_on = signup.cycle, date.min
        return _Terms(
            signup.name,
            signup.phone,
            signup.mode,
            cycle.kind,
            account.anchor_on(anchor_on),
            signup.vip,
            "active" if account.periods else "pending",
            signup.package.code,
            account.price_on(date.min, version),
            signup.texting,
        )
    status = account.shown.on(day)
    return _Terms(
        account.name.on(day),
        account.phone.on(day),
        account.mode.on(day),
        account.cycle.on(day).kind,
        account.anchor_on(day),
        account.vip.on(day),
        "pending" if status == "active" and not account.periods else status,
        account.package.on(day).code,
        account.price_on(day, version),
        account.texting.on(day),
    )


def customer(model: Naive, customer_id: str) -> Customer:
    """Return the customer's row of `report.customer`."""
    account = model.accounts[customer_id]
    terms = _on(model, account)
    return Customer(
        customer_id,
        *terms[:7],
        due=account.due(),
        billed_through=account.billed_through() if account.periods else None,
        expires_on=expires_on(model, customer_id),
        username=account.username,
        package=terms.package,
        price=terms.price,
        texting=terms.texting,
    )


def day_states(model: Naive, customer_id: str, until: date) -> dict[date, str]:
    """Return the state of each day from the first billed day to `until`, excluded.

    A day that is charged is `billed` (`cancelled` once its bill is); a day that is not is
    what the status says that charging counts. Days past the coverage are `left` while the
    customer has left for good, else `not_yet_billed`.
    """
    account = model.accounts[customer_id]
    if not account.periods:
        return {}
    states: dict[date, str] = {}
    for period in account.periods:
        for day in days_between(period.starts, period.ends):
            status = account.status.on(day)
            if status != "active":
                states[day] = status
            else:
                states[day] = "cancelled" if period.is_cancelled() else "billed"
    for day in days_between(account.billed_through(), until):
        states[day] = "left" if account.left_for_good_on(day) else "not_yet_billed"
    return {day: state for day, state in states.items() if day < until}


class NaiveBooks(Naive):
    """The naive model with its reports on it, as a story reads them."""

    def invoices(self, customer_id: str, mode: str | None = None) -> list[Invoice]:
        return invoices(self, customer_id, mode)

    def expires_on(self, customer_id: str) -> date | None:
        return expires_on(self, customer_id)
