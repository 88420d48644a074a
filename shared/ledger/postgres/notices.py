"""Notices and entitlements: what telling a customer asks of the book, and what it keeps there."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import asyncpg

from shared.ledger.errors import Unreadable
from shared.ledger.postgres.statements import sql

REQUESTED, HELD, DISCARDED = "requested", "held", "discarded"
"""The statuses of a notice: on its way, waiting for a person after a restore, never sent."""

LineKey = tuple[str, int]
"""A line by its customer and seq."""


class Entitlement(NamedTuple):
    """Until when a customer is served (None: for ever) and the status shown.

    `seq` is that of their last line, or one more than was told last, so that it always rises
    within an `incarnation` of the book.
    """

    customer_id: str
    expires_on: date | None
    status: str
    seq: int
    incarnation: int = 1


class Facts(NamedTuple):
    """A customer at the time of telling; amounts in minor units.

    `period`, `billed`, `standing` and `bill_seq` are those of the last period, None without
    one, `bill_command` what made its bill; `seq` is the last line, `told` the entitlement
    published last.
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
    told: Entitlement | None


class Kept(NamedTuple):
    """A notice as book.notice keeps it; the amount in minor units, `segments` SMS."""

    notice_id: str
    customer_id: str
    kind: str
    period: str
    amount: int
    text: str
    segments: int


class Sent(NamedTuple):
    """What became of a text that waited: its status, and what it says now."""

    notice_id: str
    status: str
    amount: int
    text: str
    segments: int


async def facts(connection: asyncpg.Connection, customers: Sequence[str]) -> list[Facts]:
    """Return the customers in the order of their ids. Raises Unreadable where the terms or contact
    of one lack what a notice says."""
    return [_facts(*row) for row in await connection.fetch(sql("notice_facts"), customers)]


def _facts(*row: object) -> Facts:
    """Read a row of notice_facts.sql; its last four columns are what was told last."""
    *today, expires_on, status, seq, incarnation = row
    told = None
    if seq is not None:
        told = Entitlement._make((today[0], expires_on, status, seq, incarnation))
    found = Facts._make((*today, told))
    if None in (found.phone, found.language, found.mode, found.status):
        raise Unreadable(f"terms or contact of {found.customer_id} lack what a notice says")
    return found


async def payment_amounts(
    connection: asyncpg.Connection, lines: Sequence[LineKey]
) -> dict[LineKey, int]:
    """Return the amounts of payments by their lines: what each added to its period."""
    if not lines:
        return {}
    rows = await connection.fetch(sql("payment_amounts"), *zip(*lines, strict=True))
    return {(row["customer_id"], row["seq"]): row["amount"] for row in rows}


async def in_force(
    connection: asyncpg.Connection, lines: Sequence[tuple[str, int, bytes]]
) -> set[int]:
    """Return which of the lines, (customer id, seq, hash), the book holds: indexes into `lines`."""
    if not lines:
        return set()
    rows = await connection.fetch(sql("lines_in_force"), *_columns(lines))
    return {row["place"] - 1 for row in rows}


async def held(connection: asyncpg.Connection, customers: Sequence[str]) -> list[Kept]:
    """Return the texts of customers that wait for a person, oldest first."""
    return [Kept(*row) for row in await connection.fetch(sql("held_notices"), customers)]


async def send_held(connection: asyncpg.Connection, sent: Sequence[Sent]) -> datetime:
    """Keep what became of texts that waited; return when."""
    sent_at: datetime = await connection.fetchval(sql("send_held"), *_columns(sent))
    return sent_at


async def keep(
    connection: asyncpg.Connection, notices: Sequence[Kept], status: str
) -> dict[str, datetime]:
    """Keep notices; return when each was made, by id. Those made before are not in it."""
    rows = await connection.fetch(sql("insert_notices"), *_columns(notices), status)
    return {row["notice_id"]: row["created_at"] for row in rows}


async def keep_entitlements(
    connection: asyncpg.Connection, entitled: Sequence[Mapping[str, object]], incarnation: int
) -> datetime:
    """Keep what is told of entitlements, {customer_id, expires_on, status, seq} each, to be
    compared next time; return when that was."""
    columns = _columns([tuple(each.values()) for each in entitled])
    told_at: datetime = await connection.fetchval(sql("upsert_entitlements"), *columns, incarnation)
    return told_at


def _columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
