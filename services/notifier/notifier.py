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

from services.notifier.notices import (
    Entitlement,
    Facts,
    Notice,
    Payments,
    entitlement,
    notices,
    now,
)
from services.notifier.texts import TEXTS
from shared.ledger.errors import Unreadable
from shared.ledger.money import decimal
from shared.ledger.postgres.statements import sql
from shared.runtime import metrics, outbox
from shared.runtime.committing import Observe
from shared.schemas.envelope import INCARNATION
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
REQUESTED, HELD, DISCARDED = "requested", "held", "discarded"


class Notifier:
    """The handler of the notifier's loop over `billing.ledger.v1` and `billing.rechecks.v1`."""

    async def __call__(self, connection: asyncpg.Connection, records: Sequence[Any]) -> Observe:
        told = [record for record in records if record.topic == LEDGER]
        rechecks = [record.key.decode() for record in records if record.topic != LEDGER]
        made = await tell(connection, await _in_force(connection, told), rechecks)
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


async def _in_force(connection: asyncpg.Connection, records: Sequence[Any]) -> list[LineData]:
    """Return the lines of records, but for those of a lost hour: a book that was restored may say
    other things of that customer and seq now, or nothing yet."""
    lines = [json.loads(record.value) for record in records]
    incarnation = (await connection.fetchrow(sql("incarnation")))["number"]
    old = [at for at, record in enumerate(records) if _incarnation_of(record) < incarnation]
    if not old:
        return lines
    columns = (
        [lines[at]["customer_id"] for at in old],
        [lines[at]["seq"] for at in old],
        [bytes.fromhex(lines[at]["hash"]) for at in old],
    )
    held = await connection.fetch(sql("lines_in_force"), *columns)
    lost = set(old) - {old[row["place"] - 1] for row in held}
    return [line for at, line in enumerate(lines) if at not in lost]


def _incarnation_of(record: Any) -> int:
    """Return the incarnation that a line was written in; before there were any, the first."""
    return int(dict(record.headers).get(INCARNATION, b"1"))


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
    incarnation, holding = await connection.fetchrow(sql("incarnation"))
    payments = await _payments(connection, lines)
    made: list[Notice] = []
    entitled: list[Entitlement] = []
    all_facts = [_facts(row) for row in await connection.fetch(sql("notice_facts"), customers)]
    for facts in all_facts:
        made += notices(facts, by_customer[facts.customer_id], payments)
        changed = entitlement(facts, incarnation, anew=not holding)
        if changed is not None:
            entitled.append(changed)
    rows = [] if holding else await _send_held(connection, all_facts, incarnation)
    first, requests = await _keep_notices(connection, made, incarnation, holding)
    rows += requests
    rows += await _keep_entitlements(connection, entitled, incarnation)
    await outbox.put(connection, rows)
    return first


def _facts(row: Any) -> Facts:
    """Read a row of notice_facts.sql, whose last columns are what was told last."""
    told = None
    if row["told_seq"] is not None:
        told = Entitlement(
            row["customer_id"],
            row["told_expires_on"],
            row["told_status"],
            row["told_seq"],
            row["told_incarnation"],
        )
    today = row[: Facts._fields.index("told")]
    facts = Facts._make((*today, told))
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


async def _send_held(
    connection: asyncpg.Connection, customers: Iterable[Facts], incarnation: int
) -> list[outbox.Row]:
    """Return the messages of texts that waited for a person, who has let them go by now; each is
    told as it is today, or not at all."""
    facts_of = {facts.customer_id: facts for facts in customers}
    waiting = await connection.fetch(sql("held_notices"), list(facts_of))
    if not waiting:
        return []
    sent, kept = [], []
    for row in waiting:
        notice = now(facts_of[row["customer_id"]], tuple(row))
        status = DISCARDED if notice is None else REQUESTED
        _, _, _, _, *said = row if notice is None else notice[:7]
        kept.append((row["notice_id"], status, *said))
        if notice is not None:
            sent.append(notice)
    columns = [list(column) for column in zip(*kept, strict=True)]
    sent_at = await connection.fetchval(sql("send_held"), *columns)
    return [_requested(notice, sent_at, incarnation) for notice in sent]


async def _keep_notices(
    connection: asyncpg.Connection, made: Sequence[Notice], incarnation: int, holding: bool
) -> tuple[list[Notice], list[outbox.Row]]:
    """Keep the notices and return those made for the first time, with their messages; where texts
    wait for a person, without."""
    if not made:
        return [], []
    columns = [list(column) for column in zip(*(notice[:7] for notice in made), strict=True)]
    kept = {
        row["notice_id"]: row["created_at"]
        for row in await connection.fetch(
            sql("insert_notices"), *columns, HELD if holding else REQUESTED
        )
    }
    # A line that the topic repeats within the batch makes the same notice again.
    by_id = {notice.notice_id: notice for notice in made if notice.notice_id in kept}
    first = list(by_id.values())
    if holding:
        return first, []
    return first, [_requested(notice, kept[notice.notice_id], incarnation) for notice in first]


def _requested(notice: Notice, created_at: Any, incarnation: int) -> outbox.Row:
    told = NotificationRequested(**notice._asdict() | {"amount": decimal(notice.amount)})
    return outbox.row_of(notification_requested(told, created_at, incarnation))


async def _keep_entitlements(
    connection: asyncpg.Connection, entitled: Sequence[Entitlement], incarnation: int
) -> list[outbox.Row]:
    if not entitled:
        return []
    said = [
        {name: getattr(each, name) for name in EntitlementChanged.model_fields} for each in entitled
    ]
    columns = [list(column) for column in zip(*(each.values() for each in said), strict=True)]
    told_at = await connection.fetchval(sql("upsert_entitlements"), *columns, incarnation)
    return [
        outbox.row_of(entitlement_changed(EntitlementChanged(**each), told_at, incarnation))
        for each in said
    ]


def _observe(made: Iterable[Notice]) -> None:
    for kind, count in Counter(notice.kind for notice in made).items():
        metrics.NOTICES.labels(kind).inc(count)
