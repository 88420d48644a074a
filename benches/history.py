"""Books of any size written without events: `verify` finds every line right.

The rules make the lines of ten customers, one of each kind; all others are copies of these with
their own ids and hashes. The book gets them month by month, as in real life: one customer's lines
are spread over the table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg

from benches.events import LAST, PACKAGES, PAID, SIGNED_UP, customer_id, payment_data, signup_data
from shared.ledger.account import Account
from shared.ledger.arrival import Arrival
from shared.ledger.commands import SignedUp
from shared.ledger.fold import Fold, Judged
from shared.ledger.line import GENESIS, Line, canonical, rechained
from shared.ledger.money import decimal
from shared.ledger.period import months_after
from shared.ledger.policy.policy import Policy
from shared.ledger.postgres import fleet
from shared.ledger.postgres.quarantine import BucketOf
from shared.ledger.postgres.save import COMMAND, insert, save
from shared.ledger.world import World
from shared.schemas.inbound import MODELS

TICKED = "billing.tick.v1"
PATTERN = "c-pattern"
"""The id of the customers that are copied; copies replace it in every text."""
CUSTOMERS_AT_ONCE = 5000
"""Number of customers in one transaction."""
BY_HUNDREDS = 100
OWN = ("customer_id", "command_id", "hash")
"""The fields in which a copied line differs from its pattern."""
CUSTOMER_AT, COMMAND_AT, HASH_AT = (Line._fields.index(name) for name in OWN)


class Shape(NamedTuple):
    """Number of periods of each customer, and the percentage of customers who pay each bill in full
    before the next one; the others never pay."""

    periods: int
    paid: int

    @property
    def lines_of_hundred(self) -> int:
        """Number of lines of a hundred customers."""
        return self.periods * (BY_HUNDREDS + self.paid)

    def customers_for(self, lines: int) -> int:
        """Return the number of customers who have about so many lines."""
        return max(1, round(lines * BY_HUNDREDS / self.lines_of_hundred))


class Month(NamedTuple):
    """One customer's commands of a month, and their lines with canonical forms."""

    judged: Sequence[Judged]
    lines: Sequence[tuple[Line, bytes]]


class Pattern(NamedTuple):
    """A customer to be copied: the account as the signup opened it, and the months."""

    opened: Account
    months: Sequence[Month]


class History:
    """Writes customers into a book. `world` has the policies and `recorded_at` of all lines; the
    first month is `shape.periods - 1` months before `LAST`."""

    def __init__(
        self, customers: int, shape: Shape, world: World, zone: ZoneInfo, bucket_of: BucketOf
    ) -> None:
        self.customers = customers
        self.shape = shape
        self._world = world
        self._bucket_of = bucket_of
        self._hashes = [GENESIS] * customers
        self._written = 0
        months = [months_after(LAST, at + 1 - shape.periods) for at in range(shape.periods + 1)]
        self._months = months
        self._zone = zone
        self._patterns = {
            (package, pays): pattern(package, pays, months, world, zone)
            for package in range(PACKAGES)
            for pays in (False, True)
        }

    async def write(
        self,
        connection: asyncpg.Connection,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Write every month up to `LAST`; `progress` gets (months written, months in all)."""
        while self._written < self.shape.periods:
            await self.write_month(connection, self.customers)
            progress(self._written, self.shape.periods)

    async def write_month(self, connection: asyncpg.Connection, customers: int) -> None:
        """Write the next month, at most the one after `LAST`, of the first so many customers, and
        the tick that billed it."""
        await self._write_tick(connection, self._months[self._written])
        for first in range(0, customers, CUSTOMERS_AT_ONCE):
            numbers = range(first, min(first + CUSTOMERS_AT_ONCE, customers))
            fold = self._next(self._written, numbers)
            async with connection.transaction():
                await save(connection, fold, self._bucket_of)
        self._written += 1

    async def _write_tick(self, connection: asyncpg.Connection, label: str) -> None:
        as_of, tick_id = f"{label}-01", f"bench-{label}"
        data = {"tick_id": tick_id, "period": label, "as_of": as_of, "trigger": "nightly"}
        tick = _arrival(TICKED, tick_id, data, self._zone)
        row = (tick.command_id, None, *tick.event, "accepted", None, self._world.recorded_at)
        async with connection.transaction():
            await insert(connection, "command", COMMAND, [(*row, self._bucket_of(label))])
            await fleet.move_business_date(connection, date.fromisoformat(as_of))

    def _next(self, month: int, numbers: range) -> Fold:
        """Return one month of some customers as a batch that was judged."""
        fold = Fold(replace(self._world, usernames={}))
        for number in numbers:
            customer = customer_id(number)
            pays = number % BY_HUNDREDS < self.shape.paid
            copied = self._patterns[number % PACKAGES, pays]
            if month == 0:
                fold.accounts[customer] = _opened(copied.opened, customer)
                fold.opened.add(customer)
                fold.usernames[customer] = None
                fold.world.usernames[customer] = customer
            fold.judged += [_judged(each, customer) for each in copied.months[month].judged]
            tip, name = self._hashes[number], customer.encode()
            for line, form in copied.months[month].lines:
                tip = rechained(form.replace(PATTERN.encode(), name), tip)
                fold.lines.append(_line(line, customer, tip))
            self._hashes[number] = tip
        return fold


def world_at(at: datetime, policies: Mapping[int, Policy]) -> World:
    """Return the world of a history: `recorded_at` of all its lines, and the latest policy."""
    return World(at, policy=policies[max(policies)], policies=policies)


# A customer to be copied ----------------------------------------------------------------------


def pattern(
    package: int, pays: bool, labels: Sequence[str], world: World, zone: ZoneInfo
) -> Pattern:
    """Make a customer by the rules: signed up in the first month, billed in each."""
    fold, months = Fold(world), []
    opened = None
    for label in labels:
        judged, lines = len(fold.judged), len(fold.lines)
        world.business_date = date.fromisoformat(f"{label}-01")
        if opened is None:
            signup = signup_data(PATTERN, package, label)
            fold.take([_arrival(SIGNED_UP, f"signup-{PATTERN}", signup, zone)])
            opened = fold.accounts[PATTERN]
        else:
            fold.bill(PATTERN, world.business_date)
        if pays:
            payment_id = f"{PATTERN}-{label}"
            paid = payment_data(payment_id, PATTERN, decimal(fold.accounts[PATTERN].due), label)
            fold.take([_arrival(PAID, f"payment-{payment_id}", paid, zone)])
        new = [(line, canonical(line)) for line in fold.lines[lines:]]
        months.append(Month(fold.judged[judged:], new))
    assert opened is not None
    assert all(each.outcome == "accepted" for each in fold.judged), fold.judged
    return Pattern(opened, months)


def _arrival(kind: str, event_id: str, data: dict[str, Any], zone: ZoneInfo) -> Arrival[Any]:
    event = MODELS[kind].model_validate(data)
    return Arrival(kind, event.command(zone), event.content(), event_id, "bench")


# Copies ---------------------------------------------------------------------------------------


def _opened(account: Account, customer: str) -> Account:
    assert account.contact is not None
    return Account(
        customer, account.joined_on, account.bill_from, account.opening_due, account.terms,
        account.contact._replace(username=customer),
    )  # fmt: skip


def _judged(each: Judged, customer: str) -> Judged:
    arrival, command = each.arrival, each.arrival.command
    assert arrival.ce_id is not None
    own = command._replace(
        customer_id=customer, command_id=command.command_id.replace(PATTERN, customer)
    )
    if isinstance(own, SignedUp):
        own = own._replace(username=customer)
    content, ce_id = (text.replace(PATTERN, customer) for text in (arrival.content, arrival.ce_id))
    return each._replace(arrival=arrival._replace(command=own, content=content, ce_id=ce_id))


def _line(line: Line, customer: str, tip: bytes) -> Line:
    fields: list[Any] = list(line)
    fields[CUSTOMER_AT] = customer
    fields[COMMAND_AT] = line.command_id.replace(PATTERN, customer)
    fields[HASH_AT] = tip
    return tuple.__new__(Line, fields)
