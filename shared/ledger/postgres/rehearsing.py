"""A bill run on a read-only snapshot: what it would bill, compared with the last bills."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from heapq import nlargest
from typing import NamedTuple

import asyncpg

from shared.ledger.fold import Fold
from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy, read_together
from shared.ledger.postgres.accounts import bill_page
from shared.ledger.postgres.fleet import set_up
from shared.ledger.postgres.folding import Policies, open_fold
from shared.ledger.postgres.statements import sql

PAGE = 5000
DIFFERENCES = 10


class Totals(NamedTuple):
    """Sums over bills in minor units; `bills` counts those with an active day."""

    bills: int = 0
    charge: int = 0
    discount: int = 0
    vat: int = 0

    @property
    def billed(self) -> int:
        return self.charge - self.discount + self.vat

    def plus(self, bills: int, charge: int, discount: int, vat: int) -> "Totals":
        return Totals(
            self.bills + bills, self.charge + charge, self.discount + discount, self.vat + vat
        )


NOTHING = Totals()


class Difference(NamedTuple):
    """The billed amount of a customer's first bill of the run and of the period before, minor
    units."""

    customer_id: str
    period: str
    before: int
    after: int

    @property
    def size(self) -> int:
        return abs(self.after - self.before)


@dataclass
class Rehearsal:
    """What a run would do. `months` has the totals by label. For customers who would get a bill,
    `after` sums up their first one, and `before` the period before it."""

    months: dict[str, Totals] = field(default_factory=dict)
    before: Totals = NOTHING
    after: Totals = NOTHING
    skipped: int = 0
    quarantined: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)


async def rehearse(
    connection: asyncpg.Connection,
    as_of: date,
    policy: Policy | None,
    progress: Callable[[int], None],
) -> Rehearsal:
    """Bill every customer up to a day, saving nothing. `policy` is used instead of the latest one.

    The transaction is read-only, so the database would refuse writes. `progress` is called with
    the number of customers processed so far.
    """
    found, seen = Rehearsal(), 0
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        fold = await open_fold(connection, Policies())
        if policy is not None:
            known = {**fold.world.policies, policy.version: policy}
            fold.world.policy = read_together(known)[policy.version]
        fleet = await set_up(connection)
        assert fleet is not None
        bucket, after = 0, ""
        while page := await _page(connection, fold, bucket, after, fleet.buckets):
            after, bucket = list(page.items())[-1]
            _bill(found, fold, page, as_of)
            await _compare(connection, found, fold.lines)
            fold.lines.clear()
            seen += len(page)
            progress(seen)
    found.differences = nlargest(DIFFERENCES, found.differences, key=lambda each: each.size)
    return found


async def _page(
    connection: asyncpg.Connection, fold: Fold, bucket: int, after: str, end: int
) -> dict[str, int]:
    page = await bill_page(connection, bucket, after, end, PAGE)
    fold.accounts, fold.quarantined = page.accounts, page.quarantined
    fold.set_apart(page.broken)
    return page.buckets


def _bill(found: Rehearsal, fold: Fold, page: Iterable[str], as_of: date) -> None:
    for customer_id in page:
        made = fold.bill(customer_id, as_of)
        if made is not None:
            found.skipped += made[1]
        elif customer_id in fold.broken:
            found.broken[customer_id] = fold.quarantined[customer_id]
        else:
            found.quarantined += 1


async def _compare(connection: asyncpg.Connection, found: Rehearsal, lines: Iterable[Line]) -> None:
    """Add up a page's bills, and compare each customer's first bill with the period before."""
    first: dict[str, Line] = {}
    for line in lines:
        totals = found.months.get(line.period, NOTHING)
        found.months[line.period] = totals.plus(line.standing, line.charge, line.discount, line.vat)
        first.setdefault(line.customer_id, line)
    rows = await connection.fetch(sql("rehearse_latest"), list(first))
    before = {customer_id: tuple(amounts) for customer_id, *amounts in rows}
    for customer_id, line in first.items():
        was = before.get(customer_id)
        found.after = found.after.plus(line.standing, line.charge, line.discount, line.vat)
        charge, discount, vat = was or (0, 0, 0)
        found.before = found.before.plus(was is not None, charge, discount, vat)
        difference = Difference(customer_id, line.period, charge - discount + vat, line.billed)
        if difference.size:
            found.differences.append(difference)
    found.differences = nlargest(DIFFERENCES, found.differences, key=lambda each: each.size)
