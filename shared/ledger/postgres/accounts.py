"""Loads accounts: for a batch as far back as its commands need, for a bill page in bucket order."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import asyncpg

from shared.ledger.account import BEGINNING, Account, Head
from shared.ledger.errors import Unreadable
from shared.ledger.line import Line
from shared.ledger.period import label_of, months_after, months_between
from shared.ledger.postgres.statements import sql
from shared.ledger.postgres.stored import read_contact
from shared.ledger.postgres.terms import terms_of
from shared.ledger.posting import Posting
from shared.ledger.reach import Reach
from shared.ledger.terms import Terms

LINE_WIDTH = len(Line._fields)
ACCOUNT_WIDTH = 10
"""Number of columns of accounts.sql before those of the line."""
TERMS_AT = 4
"""Index of the column `terms_id` in accounts.sql."""
PAGE_TERMS_AT = 5
"""Index of the column `terms_id` in bill_page.sql."""

Broken = dict[str, Exception]
"""Customer id -> why the rows cannot be read. These customers are quarantined, the others not."""


async def accounts(
    connection: asyncpg.Connection, reaches: Mapping[str, Reach]
) -> tuple[dict[str, Account], Broken]:
    """Return the accounts that exist, each loaded as far back as its reach, and the customers whose
    rows cannot be read."""
    loaded: dict[str, Account] = {}
    broken: Broken = {}
    contacts = [wanted.contact for wanted in reaches.values()]
    rows = await connection.fetch(sql("accounts"), list(reaches), contacts)
    known, unread = await terms_of(connection, {row[TERMS_AT] for row in rows})
    for row in rows:
        customer_id = row[0]
        try:
            if row[TERMS_AT] in unread:
                raise unread[row[TERMS_AT]]
            loaded[customer_id] = _account(row, known[row[TERMS_AT]], reaches[customer_id].contact)
        except Unreadable as error:
            broken[customer_id] = error
    await _load_periods(connection, loaded, broken, reaches)
    await _load_postings(connection, loaded, reaches)
    return loaded, broken


def _account(row: asyncpg.Record, terms: Terms, with_contact: bool) -> Account:
    """Return an account with its last period, if it has any."""
    customer_id, joined_on, bill_from, opening_due, _, contact, untold, seq, tip, recorded_at = row[
        :ACCOUNT_WIDTH
    ]
    account = Account(
        customer_id,
        joined_on,
        bill_from,
        opening_due,
        terms,
        read_contact(contact) if with_contact else None,
        untold_seq=untold,
    )
    if seq is not None:
        head = Line._make(row[ACCOUNT_WIDTH:])
        account.periods, account.postings = [head], None
        account.since = BEGINNING if head.period == label_of(bill_from) else head.period
        account.seq, account.hash, account.recorded_at = seq, tip, recorded_at
    return account


async def _load_periods(
    connection: asyncpg.Connection,
    loaded: dict[str, Account],
    broken: Broken,
    reaches: Mapping[str, Reach],
) -> None:
    """Load the periods before the last one, for the accounts whose commands need them."""
    firsts = {
        customer_id: first
        for customer_id, account in loaded.items()
        if account.seq and (first := _first(account, reaches[customer_id])) is not None
    }
    if not firsts:
        return
    asked = [
        (customer_id, months_after(first, months))
        for customer_id, first in firsts.items()
        for months in range(months_between(first, loaded[customer_id].periods[0].period))
    ]
    for row in await connection.fetch(sql("periods"), *map(list, zip(*asked, strict=True))):
        loaded[row[0]].periods.insert(-1, Line._make(row))
    for customer_id, first in firsts.items():
        account = loaded[customer_id]
        head = account.periods[-1]
        if len(account.periods) <= months_between(first, head.period):
            why = f"a period is missing between {first} and {head.period}"
            broken[customer_id] = Unreadable(why)
            del loaded[customer_id]
        account.since = BEGINNING if first == label_of(account.bill_from) else first


def _first(account: Account, wanted: Reach) -> str | None:
    """Return the label from which to load; None if the last period, already loaded, is enough."""
    head = account.periods[0]
    if wanted.since is None or (wanted.day is not None and wanted.day >= head.coverage_from):
        return None
    first = max(wanted.since, label_of(account.bill_from))
    return first if first < head.period else None


async def _load_postings(
    connection: asyncpg.Connection, loaded: Mapping[str, Account], reaches: Mapping[str, Reach]
) -> None:
    wanted = [
        customer_id
        for customer_id, account in loaded.items()
        if account.seq and reaches[customer_id].postings
    ]
    if not wanted:
        return
    for customer_id in wanted:
        loaded[customer_id].postings = []
    # From the first loaded period on, which may be much earlier than the label asked for.
    sinces = [loaded[customer_id].since for customer_id in wanted]
    for row in await connection.fetch(sql("postings_since"), wanted, sinces):
        line, before = Line(*row[:LINE_WIDTH]), Line(*row[LINE_WIDTH : 2 * LINE_WIDTH])
        payment_id, method, reference, shared = row[2 * LINE_WIDTH :]
        postings = loaded[line.customer_id].postings
        assert postings is not None
        if line.kind == "refund":
            payment = None if payment_id is None else f"payment/{payment_id}"
            postings.append(Posting(line, before, payment))
        else:
            postings.append(Posting(line, before, None, method, reference, bool(shared)))


class Page(NamedTuple):
    """The next customers of some buckets, all by customer id: `buckets`, in the order of the page;
    `accounts`, loaded only as far as billing needs; `quarantined`, with the reason; and `broken`,
    whose rows cannot be read."""

    buckets: dict[str, int]
    accounts: dict[str, Account]
    quarantined: dict[str, str]
    broken: Broken


async def bill_page(
    connection: asyncpg.Connection, bucket: int, after: str, end_bucket: int, count: int
) -> Page:
    """Return at most `count` customers: those of `bucket` after the customer `after`, then those of
    the next buckets before `end_bucket`."""
    page = Page({}, {}, {}, {})
    rows = await connection.fetch(sql("bill_page"), bucket, after, end_bucket, count)
    known, unread = await terms_of(connection, {row[PAGE_TERMS_AT] for row in rows})
    for of, customer_id, joined, bill_from, opening, terms, seq, tip, recorded, *head, why in rows:
        page.buckets[customer_id] = of
        if why is not None:
            page.quarantined[customer_id] = why
        if terms in unread:
            page.broken[customer_id] = unread[terms]
            continue
        account = Account(customer_id, joined, bill_from, opening, known[terms], None)
        if seq:
            account.closed, account.postings = Head(*head), None
            account.seq, account.hash, account.recorded_at = seq, tip, recorded
        page.accounts[customer_id] = account
    return page


class ChangeDue(NamedTuple):
    """A customer with a dated change of shown terms, and the JSON text of all their terms."""

    customer_id: str
    terms: str


async def changes_due(
    connection: asyncpg.Connection, first_bucket: int, end_bucket: int, day: date
) -> list[ChangeDue]:
    """Return customers of buckets [first, end) whose shown terms have a change dated up to a
    day."""
    rows = await connection.fetch(sql("changes_due"), first_bucket, end_bucket, day)
    return [ChangeDue(*row) for row in rows]


async def set_next_changes(connection: asyncpg.Connection, days: Mapping[str, date | None]) -> None:
    """Store each customer's next day with a dated change of shown terms; None: no such day."""
    await connection.execute(sql("set_next_changes"), list(days), list(days.values()))
