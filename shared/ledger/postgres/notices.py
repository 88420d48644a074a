"""Notices and entitlements: what the notifier reads from the book, and what it stores there."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

import asyncpg

from shared.ledger.errors import Unreadable
from shared.ledger.postgres.quarantine import BucketOf
from shared.ledger.postgres.statements import sql

REQUESTED, HELD, DISCARDED = "requested", "held", "discarded"
"""The statuses of a notice: to be published; waiting for a person after a restore; never sent."""

LineKey = tuple[str, int]
"""(customer id, seq) of a line."""


class Entitlement(NamedTuple):
    """Until when a customer is served (None: without end), the status shown, and by which username
    and package. Username and package are None in one that was published before it had them.

    `seq` is that of their last line, or one more than that of the last published entitlement,
    whichever is higher, so that it always rises within an `incarnation` of the book.
    """

    customer_id: str
    expires_on: date | None
    status: str
    seq: int
    incarnation: int = 1
    username: str | None = None
    package: str | None = None


class Facts(NamedTuple):
    """A customer at the time when notices are made; amounts in minor units.

    `period`, `billed`, `standing` and `bill_seq` are those of the last period (None without one),
    `bill_command` is the id of the command that made its bill, `seq` that of the last line,
    `untold_seq` that of the last bill to tell nobody of, and `published` the last entitlement that
    was published.
    """

    customer_id: str
    phone: str
    language: str
    mode: str
    status: str
    expires_on: date | None
    due: int
    period: str | None
    billed: int | None
    standing: bool | None
    bill_seq: int | None
    bill_command: str | None
    seq: int
    username: str
    package: str
    texting: bool
    untold_seq: int
    published: Entitlement | None


class Kept(NamedTuple):
    """A notice as stored in book.notice: `amount` in minor units, `segments` a number of SMS. Phone
    and language are None while it is held."""

    notice_id: str
    customer_id: str
    kind: str
    period: str
    amount: int
    text: str
    segments: int
    phone: str | None = None
    language: str | None = None


class Sent(NamedTuple):
    """A held notice after its release: the new status, and the text and amount as of now."""

    notice_id: str
    status: str
    amount: int
    text: str
    segments: int
    phone: str | None
    language: str | None


async def facts(connection: asyncpg.Connection, customers: Sequence[str]) -> list[Facts]:
    """Return the facts of customers, sorted by id. Raises Unreadable if the terms or contact of one
    lack a field that notices need."""
    return [_facts(*row) for row in await connection.fetch(sql("notice_facts"), customers)]


def _facts(*row: object) -> Facts:
    """Read a row of notice_facts.sql; its last six columns are the last published entitlement."""
    *today, expires_on, status, seq, incarnation, username, package = row
    published = None
    if seq is not None:
        row_published = (today[0], expires_on, status, seq, incarnation, username, package)
        published = Entitlement._make(row_published)
    found = Facts._make((*today, published))
    needed = (found.phone, found.language, found.mode, found.status, found.username, found.package)
    if None in needed:
        raise Unreadable(f"terms or contact of {found.customer_id} lack what a notice says")
    return found


class Waiting(NamedTuple):
    """A payment that waits for its customer's first period; the amount in minor units."""

    customer_id: str
    payment_id: str
    amount: int
    received_on: date


async def waiting_payments(
    connection: asyncpg.Connection, customers: Sequence[str]
) -> list[Waiting]:
    """Return the payments of customers that wait for a first period, in the order they came."""
    if not customers:
        return []
    return [Waiting(*row) for row in await connection.fetch(sql("waiting_payments"), customers)]


async def payment_amounts(
    connection: asyncpg.Connection, lines: Sequence[LineKey]
) -> dict[LineKey, int]:
    """Return the amounts of payments and refunds, by their lines: what each added to `paid` of its
    period, below zero for a refund."""
    if not lines:
        return {}
    rows = await connection.fetch(sql("payment_amounts"), *zip(*lines, strict=True))
    return {(row["customer_id"], row["seq"]): row["amount"] for row in rows}


async def in_force(
    connection: asyncpg.Connection, lines: Sequence[tuple[str, int, bytes]]
) -> set[int]:
    """Return which lines, (customer id, seq, hash), the book holds, as indexes into `lines`."""
    if not lines:
        return set()
    rows = await connection.fetch(sql("lines_in_force"), *_columns(lines))
    return {row["place"] - 1 for row in rows}


async def held(connection: asyncpg.Connection, customers: Sequence[str]) -> list[Kept]:
    """Return the held notices of customers, oldest first."""
    return [Kept(*row) for row in await connection.fetch(sql("held_notices"), customers)]


async def send_held(connection: asyncpg.Connection, sent: Sequence[Sent], incarnation: int) -> None:
    """Update notices that were held; the relay publishes those whose status is now requested."""
    await connection.execute(sql("send_held"), *_columns(sent), incarnation)


async def keep(
    connection: asyncpg.Connection,
    notices: Sequence[Kept],
    bucket_of: BucketOf,
    incarnation: int | None,
) -> set[str]:
    """Store notices; return the ids of those that are new. The relay publishes them; without an
    incarnation they are held."""
    status = HELD if incarnation is None else REQUESTED
    rows = [(*notice, bucket_of(notice.customer_id)) for notice in notices]
    made = await connection.fetch(sql("insert_notices"), *_columns(rows), status, incarnation)
    return {row["notice_id"] for row in made}


async def keep_entitlements(
    connection: asyncpg.Connection, entitled: Sequence[Entitlement], bucket_of: BucketOf
) -> None:
    """Store entitlements, to compare with next time; the relay publishes them."""
    rows = [(*each, bucket_of(each.customer_id)) for each in entitled]
    await connection.execute(sql("upsert_entitlements"), *_columns(rows))


def _columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
