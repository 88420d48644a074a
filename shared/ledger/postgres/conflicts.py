"""Conflicting duplicates: events whose command id was used before with other content."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import asyncpg

from shared.ledger.postgres.statements import sql

Conflict = tuple[str, str | None, str, str, str | None, str | None, int]
"""command_id, customer_id (None: a tick), type, content, ce_id, ce_source, bucket."""


async def keep(connection: asyncpg.Connection, found: Sequence[Conflict], at: datetime) -> None:
    """Store conflicts in the batch's transaction; an event delivered again adds no row."""
    if not found:
        return
    rows = [(each[0], digest(*each[2:6]), *each[1:]) for each in found]
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(sql("add_conflicts"), *columns, at)


def digest(type_: str, content: str, ce_id: str | None, ce_source: str | None) -> bytes:
    """Return SHA-256 over an event's type, content and ids: equal for every delivery of it."""
    parts = (type_, content, ce_id or "", ce_source or "")
    # The lengths come first, so that different events always give different texts.
    return sha256("\n".join((*(str(len(part)) for part in parts), *parts)).encode()).digest()
