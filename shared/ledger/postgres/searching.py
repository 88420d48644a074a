"""Finds customers by phone, by a part of their name, or by the reference of a payment.

PostgreSQL sorts out what cannot fit, as far as that is certain in every locale; the rest is judged
in Python, references by the same function that judges payments (docs/rules.md#payment).
"""

import unicodedata
from typing import Any, TypeAlias

import asyncpg

from shared.ledger.postgres.statements import sql
from shared.ledger.references import compared

Row: TypeAlias = Any
"""An asyncpg `Record`: customer_id, name, phone, username, status, due, expires_on."""


async def customers(
    connection: asyncpg.Connection,
    phone: str | None,
    name: str | None,
    reference: str | None,
    count: int,
) -> list[Row]:
    """Return customers who fit all that is given, by id, at most `count`."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        paid = None if reference is None else await _who_paid(connection, reference)
        part = None if name is None else _without_case(name)
        found: list[str] = []
        rows = connection.cursor(sql("customers_possible"), phone, part, paid)
        async for customer_id, called in rows:
            if part is None or part in _without_case(called):
                found.append(customer_id)
                if len(found) == count:
                    break
        return list(await connection.fetch(sql("customers_by_id"), found))


async def _who_paid(connection: asyncpg.Connection, reference: str) -> list[str]:
    """Return who has a payment of this reference: applied, cancelled or waiting, of any method.
    Nobody for a reference of spaces, which counts as none."""
    text = compared(reference)
    if not text:
        return []
    rows = connection.cursor(sql("references_possible"), text)
    return sorted({customer_id async for customer_id, theirs in rows if compared(theirs) == text})


def _without_case(name: str) -> str:
    """Return a name as it is compared: without case, and without the differences that nobody sees,
    such as a no-break space or a letter and its accent in one character."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
