"""The notifier's batch: ledger lines and rechecks in, notices and entitlements out.

Everything happens in the batch's transaction, with a fixed number of statements whatever its size.
Notices state what is true of the customer now, not what the line says, so that they are right when
they are sent.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import asyncpg

from services.notifier.notices import Notice, Payments, entitlement, notices, now
from services.notifier.texts import TEXTS
from shared.ledger.errors import Unreadable
from shared.ledger.postgres import fleet
from shared.ledger.postgres import notices as kept_notices
from shared.ledger.postgres.appending import Last
from shared.ledger.postgres.locks import lock_telling
from shared.ledger.postgres.notices import (
    DISCARDED,
    REQUESTED,
    Entitlement,
    Facts,
    Kept,
    Sent,
    Waiting,
)
from shared.ledger.postgres.quarantine import BucketOf, quarantine
from shared.runtime import metrics, trouble
from shared.runtime.committing import Observe
from shared.schemas.envelope import INCARNATION
from shared.schemas.topics import LEDGER

log = logging.getLogger(__name__)

UNTELLABLE = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, Unreadable)
"""Errors caused by the terms or contact of one customer, not by the other customers of the
batch."""
LineData = Mapping[str, Any]
"""The data of one `billing.ledger.line_appended.v1`."""


class Notifier:
    """The handler of the notifier's loop over `billing.ledger.v1` and `billing.rechecks.v1`."""

    def __init__(self, bucket_of: BucketOf) -> None:
        self._bucket_of = bucket_of

    async def __call__(
        self, connection: asyncpg.Connection, records: Sequence[Any], _: Last | None = None
    ) -> Observe:
        from_ledger = [record for record in records if record.topic == LEDGER]
        rechecks = [record.key.decode() for record in records if record.topic != LEDGER]
        lines = await _in_force(connection, from_ledger)
        made = await tell(connection, lines, rechecks, self._bucket_of)
        return partial(_observe, made)

    async def set_apart(
        self, connection: asyncpg.Connection, record: Any, error: Exception
    ) -> Observe:
        """Quarantine a customer whose rows cannot be used, because somebody changed them by hand.

        Any other error is a bug in our code and is raised again, so that processing stops.
        """
        if not isinstance(error, UNTELLABLE):
            raise error
        from_ledger = record.topic == LEDGER
        customer_id = (
            json.loads(record.value)["customer_id"] if from_ledger else record.key.decode()
        )
        reason = trouble.reason(error)
        log.error("quarantined %s", customer_id, exc_info=error)
        await quarantine(connection, {customer_id: reason}, self._bucket_of)
        return partial(_observe, [])


async def _in_force(connection: asyncpg.Connection, records: Sequence[Any]) -> list[LineData]:
    """Return the lines of records, except those that a restored book has lost: for that customer
    and seq it may now have a different line, or none."""
    lines = [json.loads(record.value) for record in records]
    incarnation = await fleet.incarnation(connection)
    old = [at for at, record in enumerate(records) if _incarnation_of(record) < incarnation]
    before_restore = [
        (lines[at]["customer_id"], lines[at]["seq"], bytes.fromhex(lines[at]["hash"])) for at in old
    ]
    held = await kept_notices.in_force(connection, before_restore)
    lost = set(old) - {old[index] for index in held}
    return [line for at, line in enumerate(lines) if at not in lost]


def _incarnation_of(record: Any) -> int:
    """Return the incarnation of a line; records from before incarnations existed are of the
    first."""
    return int(dict(record.headers).get(INCARNATION, b"1"))


async def tell(
    connection: asyncpg.Connection,
    lines: Sequence[LineData],
    rechecks: Iterable[str],
    bucket_of: BucketOf,
) -> list[Notice]:
    """Store notices for new lines, and changed entitlements of these customers and of those in
    `rechecks`; return the new notices. The relay publishes what is stored here.

    The lock is taken before anything is read, so that messages of two batches about one customer
    are published in the order in which the batches read the customer.
    """
    by_customer: dict[str, list[LineData]] = {customer_id: [] for customer_id in rechecks}
    for line in lines:
        by_customer.setdefault(line["customer_id"], []).append(line)
    customers = list(by_customer)
    await lock_telling(connection, map(bucket_of, customers))
    incarnation, holding = await fleet.state(connection)
    payments = await _payments(connection, lines)
    made: list[Notice] = []
    entitled: list[Entitlement] = []
    all_facts = await kept_notices.facts(connection, customers)
    waiting = await _waiting(connection, all_facts)
    for facts in all_facts:
        if facts.language not in TEXTS:
            raise Unreadable(f"terms or contact of {facts.customer_id} lack what a notice says")
        lines_of, waits = by_customer[facts.customer_id], waiting.get(facts.customer_id, ())
        made += notices(facts, lines_of, payments, waits)
        changed = entitlement(facts, incarnation, anew=not holding)
        if changed is not None:
            entitled.append(changed)
    if not holding:
        await _send_held(connection, all_facts, incarnation)
    if entitled:
        await kept_notices.keep_entitlements(connection, entitled, bucket_of)
    return await _keep_notices(connection, made, bucket_of, None if holding else incarnation)


async def _payments(connection: asyncpg.Connection, lines: Iterable[LineData]) -> Payments:
    kinds = ("payment", "refund")
    paid = [(line["customer_id"], line["seq"]) for line in lines if line["kind"] in kinds]
    return await kept_notices.payment_amounts(connection, paid)


async def _waiting(
    connection: asyncpg.Connection, customers: Iterable[Facts]
) -> dict[str, list[Waiting]]:
    """Return the payments that wait for a first period, by customer."""
    new = [facts.customer_id for facts in customers if facts.period is None and facts.texting]
    found: dict[str, list[Waiting]] = {}
    for each in await kept_notices.waiting_payments(connection, new):
        found.setdefault(each.customer_id, []).append(each)
    return found


async def _send_held(
    connection: asyncpg.Connection, customers: Iterable[Facts], incarnation: int
) -> None:
    """Send held notices, after a person has released them: each with today's amount, or discard it
    if it no longer applies."""
    facts_of = {facts.customer_id: facts for facts in customers}
    sent = []
    for text in await kept_notices.held(connection, list(facts_of)):
        notice = now(facts_of[text.customer_id], text)
        if notice is None:
            amount = (text.amount, text.text, text.segments)
            sent.append(Sent(text.notice_id, DISCARDED, *amount, None, None))
        else:
            amount = (notice.amount, notice.text, notice.segments)
            sent.append(Sent(text.notice_id, REQUESTED, *amount, notice.phone, notice.language))
    if sent:
        await kept_notices.send_held(connection, sent, incarnation)


async def _keep_notices(
    connection: asyncpg.Connection,
    made: Sequence[Notice],
    bucket_of: BucketOf,
    incarnation: int | None,
) -> list[Notice]:
    """Store the notices and return those that are new."""
    if not made:
        return []
    # A line that occurs twice in the batch gives the same notice twice.
    by_id = {notice.notice_id: notice for notice in made}
    rows = [Kept(*notice) for notice in by_id.values()]
    first = await kept_notices.keep(connection, rows, bucket_of, incarnation)
    return [notice for notice_id, notice in by_id.items() if notice_id in first]


def _observe(made: Iterable[Notice]) -> None:
    for kind, count in Counter(notice.kind for notice in made).items():
        metrics.NOTICES.labels(kind).inc(count)
