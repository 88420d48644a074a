"""Retries quarantined customers: applies their parked commands, then bills them."""

from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import asyncpg

from shared.ledger.fold import Fold
from shared.ledger.postgres import fleet, outgoing, quarantine
from shared.ledger.postgres.locks import lock_buckets
from shared.ledger.postgres.roles import WRITER
from shared.operator.servers import database
from shared.runtime import outbox, trouble
from shared.runtime.database import PASSING, nobodys
from shared.runtime.judge import Judge


class Retried(NamedTuple):
    """The result for a customer: `released`, `still quarantined` (and the reason), `not
    quarantined`, or `unknown` where nothing is known or parked under that id.

    `applied` counts the parked commands that have an outcome now.
    """

    customer_id: str
    result: str
    applied: int = 0
    reason: str | None = None


class _StillBroken(Exception):
    pass


async def retry(database_url: str, customers: Sequence[str]) -> list[Retried]:
    """Retry these customers, or all who are quarantined, each in a transaction of its own."""
    async with database(database_url, role=WRITER) as connection:
        known = await fleet.set_up(connection)
        assert known is not None
        judge = Judge(ZoneInfo(known.zone), known.buckets)
        asked = customers or await quarantine.quarantined(connection)
        return [await _retry_one(connection, judge, customer_id) for customer_id in asked]


async def _retry_one(connection: asyncpg.Connection, judge: Judge, customer_id: str) -> Retried:
    try:
        async with connection.transaction():
            await lock_buckets(connection, [judge.bucket_of(customer_id)])
            was_in = await quarantine.release(connection, customer_id)
            fold = await _folded(connection, judge, customer_id)
            if not was_in and not fold.judged:  # and no parked command applies
                known = await quarantine.is_known(connection, customer_id)
                return Retried(customer_id, "not quarantined" if known else "unknown")
            if customer_id in fold.quarantined:
                raise _StillBroken(fold.quarantined[customer_id])
            await judge.save(connection, fold)
            # Their entitlement may have changed while they were in quarantine.
            rows = [outbox.recheck(customer_id)]
            await outgoing.put(connection, rows, judge.bucket_of_key)
    except _StillBroken as broken:
        return Retried(customer_id, "still quarantined", reason=str(broken))
    except PASSING:
        raise
    except Exception as broken:
        if trouble.lasting(broken) or nobodys(broken):
            raise
        # Whatever the error, it concerns this customer: continue with the next one.
        reason = trouble.reason(broken)
        return Retried(customer_id, "still quarantined", reason=reason)
    return Retried(customer_id, "released", applied=len(fold.judged))


async def _folded(connection: asyncpg.Connection, judge: Judge, customer_id: str) -> Fold:
    """Apply what is parked for the customer, and bill them up to the business date."""
    fold = await judge.folding.of_customer(connection, customer_id)
    fold.release(customer_id)
    if customer_id in fold.accounts:
        fold.bill(customer_id, fold.world.business_date)
    return fold
