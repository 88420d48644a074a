"""The rules in memory with everything they decide kept in a real book.

books = Booked(connection)
await books.play(signup("rahim", "2026-01-17"), tick("2026-02-01"))
await books.rows("SELECT * FROM report.statement")
"""

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg

from shared.kafka.buckets import bucket_of
from shared.ledger import commands as c
from shared.ledger.arrival import Arrival
from shared.ledger.fold import Fold
from shared.ledger.period import label_of
from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff
from shared.ledger.postgres.documents import number
from shared.ledger.postgres.folding import Policies
from shared.ledger.postgres.save import save
from shared.ledger.terms import Cycle, Package
from shared.ledger.world import World
from shared.schemas.inbound import MODELS
from tests.conftest import BUCKETS
from tests.support.events import event_of
from tests.support.naive import Outcome
from tests.support.rules import Rules

BOSS = Policy(1, staff={"boss": Staff(PERMISSIONS)})  # type: ignore[arg-type]


bucket = partial(bucket_of, buckets=BUCKETS)
"""The bucket of a customer in these books."""


class Booked(Rules):
    """Plays steps one after another; each is committed a second after the one before it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        super().__init__()
        self.connection = connection
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.unsaved: list[Fold] = []

    async def play(self, *steps: Any) -> list[Outcome]:
        """Play policies and commands; return what came of the commands."""
        outcomes = []
        for step in steps:
            if isinstance(step, Policy):
                self.apply_policy(step)
                await self.connection.execute(
                    "INSERT INTO book.policy (version, source, grace_days) VALUES ($1, '', $2)",
                    step.version,
                    step.grace_days,
                )
                for entries in step.prices.by_code.values():
                    await self.connection.executemany(
                        "INSERT INTO book.price (version, code, starts, amount, name)"
                        " VALUES ($1, $2, $3, $4, $5)",
                        [(step.version, *price) for price in entries],
                    )
                continue
            before = self.business_date
            outcomes.append(self.apply(step))
            if self.business_date != before or isinstance(step, c.Ticked):
                await self._run(step, outcomes[-1].kind)
            for fold in self.unsaved:
                await save(self.connection, fold, bucket)
            self.unsaved.clear()
        return outcomes

    async def number(self, lines_max: int | None = None) -> int:
        """Number the documents of the next lines; return in how many buckets lines waited."""
        policies = Policies()
        policies.versions = self.policies
        async with self.connection.transaction():
            return (await number(self.connection, policies, lines_max))[0]

    def apply(self, command: Any, content: Any = None, sent_on: date | None = None) -> Outcome:
        """Judge one command, with the content of the event that means it."""
        if isinstance(command, c.Ticked) or content is not None:
            return super().apply(command, content, sent_on)
        kind, data = event_of(command)
        said = MODELS[kind].model_validate(data).content()
        return self.take([Arrival(kind, command, said)])[0]

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.connection.fetch(query, *arguments)]

    async def told(self, lines_before: int = 0) -> list[dict[str, Any]]:
        """Return the data of every line after so many, as the notifier reads it from the topic."""
        lines = await self.connection.fetch(
            "SELECT customer_id, seq, period, kind, command_id FROM book.line"
            " ORDER BY position OFFSET $1",
            lines_before,
        )
        return [json.loads(json.dumps(dict(line))) for line in lines]

    def _world(self) -> World:
        world = super()._world()
        self.now += timedelta(seconds=1)
        world.recorded_at = self.now
        return world

    def _save(self, fold: Fold) -> None:
        super()._save(fold)
        self.unsaved.append(fold)

    async def _run(self, tick: c.Ticked, outcome: str) -> None:
        await self.connection.execute(
            "UPDATE book.fleet SET business_date = $1", self.business_date
        )
        if outcome == "accepted":
            await self.connection.execute(
                "INSERT INTO book.run (tick_id, period, as_of, trigger, finished_at)"
                " VALUES ($1, $2, $3, $4, $5)",
                tick.tick_id,
                tick.period,
                tick.as_of,
                tick.trigger,
                self.now,
            )


# What is told --------------------------------------------------------------------------------


def day(text: str) -> date:
    return date.fromisoformat(text)


def signup(customer_id: str, joined: str, **others: Any) -> c.SignedUp:
    """A customer at 1000.00 a month, start of month, unless `others` say so."""
    joined_on = day(joined)
    fields: dict[str, Any] = {
        "command_id": f"signup/{customer_id}",
        "customer_id": customer_id,
        "signed_up_on": joined_on,
        "joined_on": joined_on,
        "bill_from": joined_on,
        "name": "Rahim",
        "phone": "+8801711000001",
        "language": "en",
        "package": Package("home", 100_000),
        "cycle": Cycle("start_of_month", 1),
        "mode": "cumulative",
        "vip": False,
        "discount_ppm": 0,
        "vat_exempt": False,
        "opening_due": 0,
        "actor": "boss",
        "username": customer_id,
    }
    return c.SignedUp(**fields | others)


def tick(as_of: str) -> c.Ticked:
    on = day(as_of)
    return c.Ticked(f"tick/{as_of}", as_of, label_of(on), on, "nightly", True)


def pay(payment_id: str, customer_id: str, amount: int, on: str) -> c.PaymentReceived:
    received_on = day(on)
    return c.PaymentReceived(
        f"payment/{payment_id}", customer_id, amount, "cash", "field", received_on, None, "field-1"
    )


def change(
    change_id: str, customer_id: str, on: str, *, prorate: bool | None = None, **fields: Any
) -> c.Changed:
    """A change told on the day it takes effect, by the boss."""
    return c.Changed(
        f"change/{change_id}", customer_id, day(on), day(on), "boss", prorate, **fields
    )


def cancel(cancellation_id: str, customer_id: str, what: str, on: str) -> c.CancellationRequested:
    return c.CancellationRequested(
        f"cancellation/{cancellation_id}", customer_id, what, day(on), "boss", "a mistake"
    )


def adjust(
    adjustment_id: str, customer_id: str, amount: int, period: str, reason: str = "goodwill"
) -> c.AdjustmentMade:
    return c.AdjustmentMade(
        f"adjustment/{adjustment_id}",
        customer_id,
        amount,
        period,
        day(f"{period}-15"),
        "boss",
        reason,
    )


def bill_up_to(bill_up_to_id: str, customer_id: str, up_to: str, on: str) -> c.BillUpToSet:
    return c.BillUpToSet(f"bill_up_to/{bill_up_to_id}", customer_id, day(up_to), day(on), "boss")
