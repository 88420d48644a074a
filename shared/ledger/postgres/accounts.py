"""Accounts read from the book: for a batch as far back as it asks, for a bill page in order."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

import asyncpg

from shared.ledger.account import BEGINNING, NEVER, Account, Head
from shared.ledger.errors import Unreadable
from shared.ledger.line import GENESIS, Line
from shared.ledger.period import label_of
from shared.ledger.postgres.statements import sql
from shared.ledger.postgres.stored import read_contact, read_terms
from shared.ledger.posting import Posting
from shared.ledger.reach import Reach

LINE_WIDTH = len(Line._fields)
ACCOUNT_WIDTH = 9
"""How many columns of accounts.sql come before those of the line."""

Broken = dict[str, Exception]
"""Why the rows of a customer cannot be read, by customer: they are set apart, others go on."""


async def accounts(
    connection: asyncpg.Connection, reaches: Mapping[str, Reach]
) -> tuple[dict[str, Account], Broken]:
    """Return the accounts that exist, each loaded as far back as its reach says, and whose rows
    cannot be read."""
    loaded: dict[str, Account] = {}
    broken: Broken = {}
    sinces = [wanted.since for wanted in reaches.values()]
    days = [wanted.day for wanted in reaches.values()]
    for row in await connection.fetch(sql("accounts"), list(reaches), sinces, days):
        customer_id = row[0]
        account = loaded.get(customer_id)
        if account is None:
            if customer_id in broken:
                continue
            try:
                account = _account(*row[:ACCOUNT_WIDTH])
                if reaches[customer_id].contact:
                    account.contact = read_contact(row["contact"])
            except Unreadable as error:
                broken[customer_id] = error
                continue
            loaded[customer_id] = account
        if account.seq:
            account.periods.append(Line(*row[ACCOUNT_WIDTH:]))
    for account in loaded.values():
        if account.periods:
            first = account.periods[0].period
            account.since = BEGINNING if first == label_of(account.bill_from) else first
    await _load_postings(connection, loaded, reaches)
    return loaded, broken


def _account(
    customer_id: str,
    joined_on: date,
    bill_from: date,
    opening_due: int,
    terms: str,
    _contact: str,
    seq: int | None,
    tip: bytes | None,
    recorded_at: datetime | None,
) -> Account:
    return Account(
        customer_id,
        joined_on,
        bill_from,
        opening_due,
        read_terms(terms),
        None,
        postings=None if seq else [],
        seq=seq or 0,
        hash=tip or GENESIS,
        recorded_at=recorded_at or NEVER,
    )


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
    # From the first period that was loaded, which may lie far before the label asked for.
    sinces = [loaded[customer_id].since for customer_id in wanted]
    for row in await connection.fetch(sql("postings_since"), wanted, sinces):
        line, before = Line(*row[:LINE_WIDTH]), Line(*row[LINE_WIDTH : 2 * LINE_WIDTH])
        payment_id, method, reference = row[2 * LINE_WIDTH :]
        postings = loaded[line.customer_id].postings
        assert postings is not None
        if line.kind == "refund":
            payment = None if payment_id is None else f"payment/{payment_id}"
            postings.append(Posting(line, before, payment))
        else:
            postings.append(Posting(line, before, None, method, reference))


class Page(NamedTuple):
    """The next customers of some buckets, in their order: each one's bucket, accounts ready to be
    billed on and for nothing else, who is quarantined (the reason), and whose rows cannot be
    read."""

    buckets: dict[str, int]
    accounts: dict[str, Account]
    quarantined: dict[str, str]
    broken: Broken


async def bill_page(
    connection: asyncpg.Connection, bucket: int, after: str, end_bucket: int, count: int
) -> Page:
    """Return the customers after one of a bucket, and those of the buckets behind it up to
    `end_bucket` (excluded), `count` at most."""
    page = Page({}, {}, {}, {})
    rows = await connection.fetch(sql("bill_page"), bucket, after, end_bucket, count)
    for of, customer_id, joined, bill_from, opening, terms, seq, tip, recorded, *head, why in rows:
        page.buckets[customer_id] = of
        if why is not None:
            page.quarantined[customer_id] = why
        try:
            known = read_terms(terms)
        except Unreadable as error:
            page.broken[customer_id] = error
            continue
        page.accounts[customer_id] = Account(
            customer_id,
            joined,
            bill_from,
            opening,
            known,
            None,
            closed=Head(*head) if seq else None,
            postings=None if seq else [],
            seq=seq,
            hash=tip or GENESIS,
            recorded_at=recorded or NEVER,
        )
    return page


class ChangeDue(NamedTuple):
    """A customer whose shown terms change by themselves, and their terms as the row has them."""

    customer_id: str
    terms: str


async def changes_due(
    connection: asyncpg.Connection, first_bucket: int, end_bucket: int, day: date
) -> list[ChangeDue]:
    """Return customers of buckets [first, end) whose shown terms change on or before a day."""
    rows = await connection.fetch(sql("changes_due"), first_bucket, end_bucket, day)
    return [ChangeDue(*row) for row in rows]


async def set_next_changes(connection: asyncpg.Connection, days: Mapping[str, date | None]) -> None:
    """Keep the next day on which each customer's shown terms change by themselves."""
    await connection.execute(sql("set_next_changes"), list(days), list(days.values()))
