"""Saves everything that a fold decided, with COPY if there are many rows. It decides nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from shared.ledger.fold import Fold, Judged
from shared.ledger.line import Line
from shared.ledger.postgres.appending import Last, typed
from shared.ledger.postgres.names import save_names
from shared.ledger.postgres.quarantine import BucketOf, quarantine
from shared.ledger.postgres.statements import sql
from shared.ledger.postgres.stored import encode_contact
from shared.ledger.postgres.terms import ids_of

COPY_FROM_ROWS = 40
"""From this many rows on, COPY is cheaper than one statement (it needs two round trips first)."""
EVENT = ("command_id", "customer_id", "type", "content", "ce_id", "ce_source")
COMMAND = (*EVENT, "outcome", "reason", "recorded_at", "bucket")
PARKED = (*EVENT, "reason", "parked_at", "bucket")
LINE = (*Line._fields, "bucket")
MADE_AT = Line._fields.index("made_on")


async def save(
    connection: asyncpg.Connection, fold: Fold, bucket_of: BucketOf, last: Last | None = None
) -> None:
    """Save everything that a fold decided. With `last`, small numbers of lines and outcomes are
    added to it, for the batch's last statement to append."""
    at = fold.world.recorded_at
    await _save_accounts(connection, fold, bucket_of)
    lines = [row_of(line, bucket_of(line.customer_id)) for line in fold.lines]
    await insert(connection, "line", LINE, lines, last)
    await _save_outcomes(connection, fold.judged, at, bucket_of, last)
    await save_names(connection, fold)
    if fold.broken:
        reasons = {customer_id: fold.quarantined[customer_id] for customer_id in fold.broken}
        await quarantine(connection, reasons, bucket_of, at)


def row_of(line: Line, bucket: int) -> tuple[Any, ...]:
    """Return a line's row: of its last fields those are null that say what most lines do."""
    starts, vat = line.coverage_from, line.granted_vat
    return (
        *line[:MADE_AT],
        None if line.made_on == starts else line.made_on,
        None if line.asked_on == starts else line.asked_on,
        None if line.gifts == line.granted_discount + vat else line.gifts,
        None if line.gifts_vat == vat else line.gifts_vat,
        bucket,
    )


async def _save_accounts(connection: asyncpg.Connection, fold: Fold, bucket_of: BucketOf) -> None:
    opened = [fold.accounts[customer_id] for customer_id in sorted(fold.opened)]
    changed = [fold.accounts[customer_id] for customer_id in sorted(fold.changed - fold.opened)]
    if not (opened or changed):
        return
    business_date = fold.world.business_date
    ids = await ids_of(connection, [account.terms for account in (*opened, *changed)])
    await insert(
        connection,
        "account",
        (
            "customer_id", "bucket", "joined_on", "bill_from", "opening_due", "terms_id", "contact",
            "next_change_on", "untold_seq",
        ),
        [
            (
                account.customer_id,
                bucket_of(account.customer_id),
                account.joined_on,
                account.bill_from,
                account.opening_due,
                terms_id,
                encode_contact(account.contact),
                account.terms.next_change_after(business_date),
                account.untold_seq,
            )
            for account, terms_id in zip(opened, ids, strict=False)
        ],
    )  # fmt: skip
    if changed:
        await connection.execute(
            sql("change_accounts"),
            [account.customer_id for account in changed],
            ids[len(opened) :],
            [None if each.contact is None else encode_contact(each.contact) for each in changed],
            [account.terms.next_change_after(business_date) for account in changed],
        )


async def _save_outcomes(
    connection: asyncpg.Connection,
    judged: Sequence[Judged],
    at: datetime,
    bucket_of: BucketOf,
    last: Last | None,
) -> None:
    outcomes, waiting, released = [], [], []
    for arrival, outcome, reason, _, waited in judged:
        command = arrival.command
        row = (command.command_id, command.customer_id, *arrival.event)
        bucket = bucket_of(command.customer_id)
        if outcome in ("accepted", "refused"):
            outcomes.append((*row, outcome, reason, at, bucket))
            if waited:
                released.append(command.command_id)
        elif outcome == "parked":
            waiting.append((*row, reason, at, bucket))
    await insert(connection, "command", COMMAND, outcomes, last)
    if released:
        await connection.execute(sql("unpark"), released)
    # A command that is parked and released within one batch needs no row.
    gone = {row[0] for row in outcomes}
    await insert(
        connection,
        "parked",
        PARKED,
        [row for row in waiting if row[0] not in gone],
    )


async def insert(
    connection: asyncpg.Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    last: Last | None = None,
) -> None:
    """Append rows to a table of the book: with COPY if there are many, else with one statement.
    With `last`, few rows are left to the batch's last statement."""
    if not rows:
        return
    if len(rows) >= COPY_FROM_ROWS:
        await connection.copy_records_to_table(
            table, schema_name="book", columns=columns, records=rows
        )
        return
    few = await typed(connection, table, columns, rows)
    if last is not None:
        last.left.append(few)
    else:
        await connection.execute(few.statement(), *few.parameters)
