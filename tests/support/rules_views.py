"""The books of the product's rules, shown so that the naive reports can read them.

The reports sum what they need themselves; what they see here are the rules' own lines and
the rules' own terms, so equal reports mean equal terms, day by day.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple, cast

from shared.ledger.account import Account
from shared.ledger.charge import cycle_price
from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy, read_together
from shared.ledger.terms import Timeline, value_on
from tests.support.naive import Naive
from tests.support.naive_account import Row
from tests.support.naive_views import (
    Customer,
    Invoice,
    customer,
    day_states,
    expires_on,
    invoices,
)


class Books:
    """What is read of an engine that keeps accounts of the product's rules."""

    accounts: Mapping[str, Account]
    policy: Policy
    policies: Mapping[int, Policy]
    business_date: date | None

    def statement(self, customer_id: str) -> list[Row]:
        account = self.accounts.get(customer_id)
        return [_row(line) for line in account.periods] if account else []

    def invoices(self, customer_id: str, mode: str | None = None) -> list[Invoice]:
        return invoices(self._shown(customer_id), customer_id, mode)

    def expires_on(self, customer_id: str) -> date | None:
        return expires_on(self._shown(customer_id), customer_id)

    def customer(self, customer_id: str) -> Customer:
        return customer(self._shown(customer_id), customer_id)

    def day_states(self, customer_id: str, until: date) -> dict[date, str]:
        return day_states(self._shown(customer_id), customer_id, until)

    def _shown(self, customer_id: str) -> Naive:
        shown = _Shown(self.policy, self.business_date, {customer_id: _Account(self, customer_id)})
        return cast(Naive, shown)


class _Shown(NamedTuple):
    policy: Policy
    business_date: date | None
    accounts: dict[str, "_Account"]


class _Words(NamedTuple):
    """A timeline of the product's terms, asked as the naive model's words are."""

    timeline: Timeline[Any]

    def on(self, day: date) -> Any:
        return value_on(self.timeline, day)


class _Signup(NamedTuple):
    opening_due: int
    name: str
    phone: str
    mode: str
    cycle: Any
    vip: bool
    package: Any
    texting: bool


class _Period(NamedTuple):
    line: Line

    def asked_on(self) -> date:
        return self.line.asked_on

    @property
    def starts(self) -> date:
        return self.line.coverage_from

    @property
    def ends(self) -> date:
        return self.line.coverage_to

    def is_cancelled(self) -> bool:
        return self.line.cancelled


class _Account:
    """An account of the rules in the shape that `naive_views` reads."""

    def __init__(self, books: Books, customer_id: str) -> None:
        account = books.accounts[customer_id]
        assert account.contact is not None
        terms, self._account = account.terms, account
        self._rows = books.statement(customer_id)
        self.periods = [_Period(line) for line in account.periods]
        self.name, self.phone = _Words(account.contact.name), _Words(account.contact.phone)
        self.mode, self.cycle, self.vip = _Words(terms.mode), _Words(terms.cycle), _Words(terms.vip)
        self.status, self.shown = _Words(terms.status), _Words(terms.shown)
        self.package, self.texting = _Words(terms.package), _Words(account.contact.texting)
        self.username = account.contact.username
        self.grace_until = account.contact.grace_until
        self._policies = books.policies
        first = date.min
        self.signup = _Signup(
            account.opening_due,
            self.name.on(first),
            self.phone.on(first),
            self.mode.on(first),
            self.cycle.on(first),
            self.vip.on(first),
            self.package.on(first),
            self.texting.on(first),
        )

    def statement(self) -> list[Row]:
        return self._rows

    def due(self) -> int:
        return self._account.due

    def billed_through(self) -> date:
        return self._account.billed_through

    def anchor_on(self, day: date) -> int:
        anchor: int = self.cycle.on(day).day
        return anchor

    def price_on(self, day: date, version: int) -> int:
        terms, prices = self._account.terms, read_together(self._policies)[version].price_list
        return cycle_price(value_on(terms.package, day), value_on(terms.extras, day), prices, day)

    def left_for_good_on(self, day: date) -> bool:
        return self._account.terms.left_for_good_on(day)


def _row(line: Line) -> Row:
    return Row(
        line.period,
        line.coverage_from,
        line.coverage_to,
        line.previous_due,
        line.charge,
        line.discount,
        line.vat,
        line.billed,
        line.paid,
        line.due,
        line.standing,
    )
