"""Conflicting duplicates: events whose command id came before with other content."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import asyncpg

from shared.ledger.postgres.statements import sql

Conflict = tuple[str, str | None, str, str, str | None, str | None, int]
"""command_id, customer_id (None: a tick), type, content, ce_id, ce_source, bucket."""


async def keep(connection: asyncpg.Connection, found: Sequence[Conflict], at: datetime) -> None:
    """Keep conflicts in the batch's transaction; an event that comes again leaves one row."""
    if not found:
        return
    rows = [(each[0], digest(*each[2:6]), *each[1:]) for each in found]
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(sql("add_conflicts"), *columns, at)


def digest(type_: str, content: str, ce_id: str | None, ce_source: str | None) -> bytes:
    """Return SHA-256 over what an event said and its name: two deliveries of it agree."""
    parts = (type_, content, ce_id or "", ce_source or "")
    # Lengths first, so that no two events share a text.
    return sha256("\n".join((*(str(len(part)) for part in parts), *parts)).encode()).digest()
