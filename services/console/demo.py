"""The demo: a month of an ISP, played on a fleet of its own in a folder that goes away.

The script is the same each time: it draws from a seed, and its days are in January and
February 2026 whatever the clock says.
"""

import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from services.console.books import COLUMNS, cells, heading
from services.console.printing import print_table, progress
from shared.ledger.postgres import reports
from shared.runtime.publishing import publish
from shared.runtime.servers import database
from shared.runtime.setting_up import prepare
from shared.runtime.settings import Settings
from shared.runtime.settle import settle
from shared.runtime.supervisor import Fleet
from shared.schemas.envelope import Message
from shared.schemas.publish import structured

SEED = 2026
MONTH = date(2026, 1, 1)
DAYS = 31
POLICY = """\
[[tax]]
code = "SD"
rate = "10"
from = 2025-01-09
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
on = ["SD"]
[[staff]]
id = "manager"
may = ["discount", "vat_exempt", "cancel", "refund", "adjust", "bill_up_to", "rebill"]
[billing]
grace_days = 10
"""
PACKAGES = (("home-10", "500.00"), ("home-20", "1000.00"), ("office-50", "2500.00"))
NAMES = ("Rahim", "Karim", "Fatema", "Ayesha", "Jamal", "Nasrin", "Hasan", "Shirin", "Tarek")
WORKERS = ("coordinator", "generator", "collector", "notifier", "relay")
SHOWN = ("c-00001", "c-00002", "c-00003")


async def play(customers: int) -> None:
    """Start a fleet, play the month, show what came of it, stop, and leave nothing behind."""
    began = time.perf_counter()
    progress("starting Kafka, PostgreSQL and five workers ...")
    async with _fleet() as fleet:
        progress(f"ready after {time.perf_counter() - began:.0f} s")
        async with database(fleet.database_admin) as connection:
            await reports.apply_policy(connection, POLICY)
        isp = Isp(customers)
        await _step(fleet, f"{customers:,} signups", isp.signups())
        for day in range(1, DAYS + 1):
            events = [*isp.payments_on(MONTH + timedelta(days=day - 1))]
            events.append(isp.tick(MONTH + timedelta(days=day - 1)))
            await publish(fleet.kafka, events)
            if day in (10, 20, DAYS):
                await _step(fleet, f"January up to the {day}th: ticks and payments", ())
        await _step(fleet, "1 February: every customer's new month", [isp.tick(date(2026, 2, 1))])
        await _show(fleet, time.perf_counter() - began)


class Isp:
    """Customers and what they do, drawn from a seed."""

    def __init__(self, customers: int) -> None:
        self._chance = random.Random(SEED)
        self._ids = [f"c-{number:05d}" for number in range(1, customers + 1)]
        self._paying: dict[date, list[str]] = {}
        for customer_id in self._ids:
            if self._chance.random() < 0.7:
                day = MONTH + timedelta(days=self._chance.randrange(DAYS))
                self._paying.setdefault(day, []).append(customer_id)

    def signups(self) -> Iterator[Message]:
        """Customers of every sort: three cycles, three packages, some exempt, some VIP."""
        for number, customer_id in enumerate(self._ids, start=1):
            joined = date(2025, 12, 1) + timedelta(days=self._chance.randrange(31))
            code, price = PACKAGES[number % len(PACKAGES)]
            said: dict[str, Any] = {
                "customer_id": customer_id,
                "signed_up_at": f"{joined}T10:00:00+06:00",
                "joined_on": joined.isoformat(),
                "name": f"{NAMES[number % len(NAMES)]} {number}",
                "phone": f"+88017{number:08d}",
                "language": "bn" if number % 2 else "en",
                "package": {"code": code, "price": price},
                "cycle": self._cycle(number),
                "mode": "monthly" if number % 4 == 0 else "cumulative",
                "vip": number % 200 == 0,
                "actor": "manager",
            }
            if number % 20 == 0:
                said["vat_exempt"] = True
            if number % 15 == 0:
                said["discount_percent"] = "10"
            yield _event("billing.customer.signed_up.v1", f"signup-{customer_id}", said)

    def payments_on(self, day: date) -> Iterator[Message]:
        for customer_id in self._paying.get(day, ()):
            online = self._chance.random() < 0.6
            payment_id = f"{customer_id}-{day}"
            said = {
                "payment_id": payment_id,
                "customer_id": customer_id,
                "amount": f"{self._chance.choice((200, 500, 1000, 1500))}.00",
                "method": "bkash" if online else "cash",
                "channel": "online" if online else "field",
                "received_at": f"{day}T{self._chance.randrange(9, 20):02d}:00:00+06:00",
                "reference": payment_id,
                "actor": "gateway" if online else "field-3",
            }
            yield _event("billing.payment.received.v1", f"payment-{payment_id}", said)

    def tick(self, day: date) -> Message:
        said = {
            "tick_id": f"nightly-{day}",
            "period": f"{day:%Y-%m}",
            "as_of": day.isoformat(),
            "trigger": "nightly",
        }
        return _event("billing.tick.v1", f"nightly-{day}", said)

    def _cycle(self, number: int) -> dict[str, Any]:
        if number % 5 == 0:
            return {"kind": "custom", "day": self._chance.randrange(1, 32)}
        return {"kind": "anniversary" if number % 3 == 0 else "start_of_month"}


def _event(kind: str, event_id: str, data: dict[str, Any]) -> Message:
    return structured(
        {"specversion": "1.0", "id": event_id, "source": "demo", "type": kind, "data": data}
    )


@asynccontextmanager
async def _fleet() -> AsyncIterator[Fleet]:
    """Run a fleet of its own: servers and settings of the environment are not for playing."""
    settings = Settings()
    with tempfile.TemporaryDirectory(prefix="rollforward-demo-", ignore_cleanup_errors=True) as at:
        workers = dict.fromkeys(WORKERS, 1)
        async with Fleet(Path(at), workers, prepare=prepare(settings), settings=settings) as fleet:
            yield fleet


async def _step(
    fleet: Fleet, what: str, events: "Iterator[Message] | list[Message] | tuple[()]"
) -> None:
    """Publish, wait until the fleet has settled, and say how long that took."""
    began = time.perf_counter()
    count = await publish(fleet.kafka, events)
    await settle(fleet.kafka, fleet.database_admin, timeout=120)
    sent = f"{count:,} events, " if count else ""
    progress(f"{what}: {sent}settled in {time.perf_counter() - began:.1f} s")


async def _show(fleet: Fleet, seconds: float) -> None:
    """Print the statements of a few, the totals, and what to try next."""
    async with database(fleet.database_admin) as connection:
        for customer_id in SHOWN:
            who = await reports.customer(connection, customer_id)
            if who is not None:
                click.echo("\n" + heading(who))
                rows = await reports.statement(connection, customer_id)
                print_table(list(COLUMNS.values()), [cells(row) for row in rows])
        totals = await reports.totals(connection)
        click.echo("\nthe whole ISP, a row per period")
        heads = ["period", "customers", "billed", "paid", "due"]
        print_table(heads, [[row[head] for head in heads] for row in totals])
        counts = await reports.counts(connection)
    click.echo(
        f"\n{counts['lines']:,} ledger lines and {counts['notices']:,} notices from "
        f"{counts['commands']:,} commands in {seconds:.0f} s, start included"
    )
    click.echo(
        "\nNext: keep a fleet with `rollforward up --data ./fleet`, then, in another terminal,\n"
        "`export ROLLFORWARD_DATA=./fleet`, `rollforward publish FILE.jsonl`, `rollforward tick "
        "--as-of DATE`,\n`rollforward settle`, `rollforward statement CUSTOMER`; `rollforward "
        "--help` knows the rest."
    )
