"""The notifier's batch: ledger lines and rechecks in, notices and entitlements out.

Everything happens in the batch's transaction, in a handful of statements whatever its size.
What is told is read now, not from the line, so that it is right at the time of sending.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import asyncpg

from services.notifier.notices import Entitlement, Facts, Notice, Payments, entitlement, notices
from services.notifier.texts import TEXTS
from shared.ledger.errors import Unreadable
from shared.ledger.money import decimal
from shared.ledger.postgres.statements import sql
from shared.runtime import metrics, outbox
from shared.runtime.loop import Observe
from shared.schemas.outbound import (
    EntitlementChanged,
    NotificationRequested,
    entitlement_changed,
    notification_requested,
)
from shared.schemas.topics import LEDGER

log = logging.getLogger(__name__)

UNTELLABLE = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, Unreadable)
"""What the terms or the contact of one customer bring about, whoever is told beside them."""
LineData = Mapping[str, Any]
"""The data of one `billing.ledger.line_appended.v1`."""


class Notifier:
    """The handler of the notifier's loop over `billing.ledger.v1` and `billing.rechecks.v1`."""

    async def __call__(self, connection: asyncpg.Connection, records: Sequence[Any]) -> Observe:
        lines, rechecks = [], []
        for record in records:
            if record.topic == LEDGER:
                lines.append(json.loads(record.value))
            else:
                rechecks.append(record.key.decode())
        made = await tell(connection, lines, rechecks)
        return partial(_observe, made)

    async def set_apart(
        self, connection: asyncpg.Connection, record: Any, error: Exception
    ) -> Observe:
        """Quarantine the customer whose rows cannot be told of: somebody changed them by hand.

        Our own lines can all be read: anything else is our mistake, so stop.
        """
        if not isinstance(error, UNTELLABLE):
            raise error
        told = record.topic == LEDGER
        customer_id = json.loads(record.value)["customer_id"] if told else record.key.decode()
        reason = f"{type(error).__name__}: {error}"[:500]
        log.error("quarantined %s", customer_id, exc_info=error)
        await connection.execute(sql("quarantine"), [customer_id], [reason], None)
        return partial(_observe, [])


async def tell(
    connection: asyncpg.Connection, lines: Sequence[LineData], rechecks: Iterable[str]
) -> list[Notice]:
    """Tell customers of their new lines, and of what changed without one; return the notices.

    The lock comes before anything is written: what two batches tell one customer leaves in
    the order in which they read him.
    """
    by_customer: dict[str, list[LineData]] = {customer_id: [] for customer_id in rechecks}
    for line in lines:
        by_customer.setdefault(line["customer_id"], []).append(line)
    customers = list(by_customer)
    await connection.execute(sql("lock_telling"), customers)
    payments = await _payments(connection, lines)
    made: list[Notice] = []
    entitled: list[Entitlement] = []
    for row in await connection.fetch(sql("notice_facts"), customers):
        facts = _facts(row)
        made += notices(facts, by_customer[facts.customer_id], payments)
        changed = entitlement(facts)
        if changed is not None:
            entitled.append(changed)
    first, rows = await _keep_notices(connection, made)
    rows += await _keep_entitlements(connection, entitled)
    await outbox.put(connection, rows)
    return first


def _facts(row: Any) -> Facts:
    """Read a row of notice_facts.sql, whose last columns are what was told last."""
    told = None
    if row["told_seq"] is not None:
        told = Entitlement(
            row["customer_id"], row["told_expires_on"], row["told_status"], row["told_seq"]
        )
    now = row[: Facts._fields.index("told")]
    facts = Facts._make((*now, told))
    if facts.language not in TEXTS or None in (facts.phone, facts.mode, facts.status):
        raise Unreadable(f"terms or contact of {facts.customer_id} lack what a notice says")
    return facts


async def _payments(connection: asyncpg.Connection, lines: Iterable[LineData]) -> Payments:
    paid = [(line["customer_id"], line["seq"]) for line in lines if line["kind"] == "payment"]
    if not paid:
        return {}
    customers, seqs = zip(*paid, strict=True)
    rows = await connection.fetch(sql("payment_amounts"), customers, seqs)
    return {(row["customer_id"], row["seq"]): row["amount"] for row in rows}


async def _keep_notices(
    connection: asyncpg.Connection, made: Sequence[Notice]
) -> tuple[list[Notice], list[outbox.Row]]:
    """Keep the notices and return those made for the first time, with their messages."""
    if not made:
        return [], []
    columns = [list(column) for column in zip(*(notice[:7] for notice in made), strict=True)]
    kept = {
        row["notice_id"]: row["created_at"]
        for row in await connection.fetch(sql("insert_notices"), *columns)
    }
    # A line that the topic repeats within the batch makes the same notice again.
    by_id = {notice.notice_id: notice for notice in made if notice.notice_id in kept}
    first = list(by_id.values())
    return first, [_requested(notice, kept[notice.notice_id]) for notice in first]


def _requested(notice: Notice, created_at: Any) -> outbox.Row:
    told = NotificationRequested(**notice._asdict() | {"amount": decimal(notice.amount)})
    return outbox.row_of(notification_requested(told, created_at))


async def _keep_entitlements(
    connection: asyncpg.Connection, entitled: Sequence[Entitlement]
) -> list[outbox.Row]:
    if not entitled:
        return []
    columns = [list(column) for column in zip(*entitled, strict=True)]
    told_at = await connection.fetchval(sql("upsert_entitlements"), *columns)
    return [
        outbox.row_of(entitlement_changed(EntitlementChanged(**each._asdict()), told_at))
        for each in entitled
    ]


def _observe(made: Iterable[Notice]) -> None:
    for kind, count in Counter(notice.kind for notice in made).items():
        metrics.NOTICES.labels(kind).inc(count)
