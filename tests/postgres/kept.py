"""A book kept as workers keep it: real events, each batch one transaction, without Kafka.

kept = Kept(connection)
await kept.policy(POLICY)
await kept.tell(signup("rahim", "2026-01-17"), payment("p-1", "rahim", "200.00", "2026-01-20"))
await kept.tick("2026-02-01")
"""

from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from services.coordinator.ticks import TickJudge
from services.generator.pages import Pages
from shared.ledger.arrival import Arrival
from shared.ledger.postgres import reports, runs
from shared.runtime.health import Health
from shared.runtime.judge import Judge
from shared.schemas.inbound import MODELS
from shared.schemas.publish import binary
from shared.schemas.topics import RECHECKS
from tests.conftest import BUCKETS, PARTITIONS

ZONE = ZoneInfo("Asia/Dhaka")
Event = tuple[str, dict[str, Any]]
"""A type and its data, as an event says them."""


class Kept:
    """Tells events to the judge of the workers, and ticks to that of the coordinator."""

    def __init__(self, connection: asyncpg.Connection, buckets: int = BUCKETS) -> None:
        self.connection = connection
        self._judge = Judge(ZONE, buckets)
        self._ticks = TickJudge(ZONE, buckets, lambda period, tick_id: None)
        self._pages = Pages("", None, self._judge, Health())  # type: ignore[arg-type]

    async def policy(self, source: str) -> int:
        return (await reports.apply_policy(self.connection, source, RECHECKS, True)).version

    async def tell(self, *events: Event) -> None:
        """Judge events, all of them as one batch."""
        arrivals = []
        for kind, data in events:
            event = MODELS[kind].model_validate(data)
            command: Any = event.command(ZONE)
            arrivals.append(Arrival(kind, command, event.content(), "1", "test"))
        async with self.connection.transaction():
            await self._judge.judge(self.connection, arrivals)

    async def tick(self, day: str, **others: Any) -> None:
        """Judge a tick and run it to its end, if it was accepted; its id is its day, the gap may
        be any, unless `others` say so."""
        data = {"tick_id": day, "period": day[:7], "as_of": day, "trigger": "nightly",
                "allow_gap": True} | others  # fmt: skip
        message = binary("billing.tick.v1", data, str(data["tick_id"]), "test")
        async with self.connection.transaction():
            await self._ticks(self.connection, [Record(message)])
        await self.finish(str(data["period"]))

    async def finish(self, period: str) -> None:
        """Claim the next run of a month, and run it to its end; nothing where none waits."""
        async with self.connection.transaction():
            tick_id = await runs.claim(self.connection, period)
            if tick_id is None:
                return
            await runs.add_pages(self.connection, tick_id)
        for number in range(PARTITIONS):
            more = True
            while more:
                async with self.connection.transaction():
                    page = await self._pages.bill_page(self.connection, tick_id, number)
                    more = page.more


class Record:
    """A message as a consumer gets it."""

    def __init__(self, message: Any) -> None:
        self.topic, self.key, self.value, self.headers = message
        self.partition = self.offset = self.timestamp = 0


def signup(customer_id: str, joined: str, price: str = "1000.00", **others: Any) -> Event:
    """A customer at `price` a month, start of month, unless `others` say so."""
    return "billing.customer.signed_up.v1", {
        "customer_id": customer_id,
        "signed_up_at": f"{joined}T10:00:00+06:00",
        "joined_on": joined,
        "name": customer_id.title(),
        "phone": "+8801711000001",
        "package": {"code": f"home-{price}", "price": price},
        "cycle": {"kind": "start_of_month"},
        **others,
    }


def change(change_id: str, customer_id: str, on: str, told: str, **terms: Any) -> Event:
    """A change told on the day `told` that takes effect on another."""
    return "billing.customer.changed.v1", {
        "change_id": change_id,
        "customer_id": customer_id,
        "effective_on": on,
        "changed_at": f"{told}T10:00:00+06:00",
        **terms,
    }


def payment(payment_id: str, customer_id: str, amount: str, on: str, **others: Any) -> Event:
    return "billing.payment.received.v1", {
        "payment_id": payment_id,
        "customer_id": customer_id,
        "amount": amount,
        "method": "cash",
        "channel": "field",
        "received_at": f"{on}T10:00:00+06:00",
        "actor": "field-1",
        **others,
    }


def discount(discount_id: str, customer_id: str, amount: str, period: str) -> Event:
    return "billing.discount.granted.v1", {
        "discount_id": discount_id,
        "customer_id": customer_id,
        "amount": amount,
        "period": period,
        "granted_at": f"{period}-15T10:00:00+06:00",
        "actor": "boss",
        "reason": "goodwill",
    }


def adjustment(adjustment_id: str, customer_id: str, amount: str, period: str) -> Event:
    return "billing.adjustment.made.v1", {
        "adjustment_id": adjustment_id,
        "customer_id": customer_id,
        "amount": amount,
        "period": period,
        "made_at": f"{period}-16T10:00:00+06:00",
        "actor": "boss",
        "reason": "router",
    }


def refund(refund_id: str, customer_id: str, amount: str, **others: Any) -> Event:
    return "billing.refund.made.v1", {
        "refund_id": refund_id,
        "customer_id": customer_id,
        "amount": amount,
        "refunded_at": "2026-01-05T10:00:00+06:00",
        "actor": "boss",
        "reason": "moved away",
        **others,
    }


def cancellation(cancellation_id: str, customer_id: str, cancels: str, on: str) -> Event:
    return "billing.cancellation.requested.v1", {
        "cancellation_id": cancellation_id,
        "customer_id": customer_id,
        "cancels": cancels,
        "requested_at": f"{on}T10:00:00+06:00",
        "actor": "boss",
        "reason": "a mistake,\nwith a \\ and a\ttab",
    }
