"""The demo: a month of an ISP, played on a fleet of its own in a temporary folder.

It is the same each time: random choices come from a fixed seed, and the days are in January and
February 2026, whatever the clock says.
"""

import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from services.workers import WORKERS, worker_command
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.ledger.postgres import reports
from shared.ledger.sentences import counted
from shared.operator.printing import print_table, progress
from shared.operator.publish import publish
from shared.operator.servers import database
from shared.operator.settle import settle
from shared.operator.statements import heading, print_statement
from shared.runtime.settings import Settings
from shared.schemas.envelope import Message
from shared.schemas.publish import structured
from shared.schemas.topics import RECHECKS

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
may = ["discount", "vat_exempt", "cancel", "refund", "adjust", "bill_up_to", "rebill", "vip"]
[[price]]
code = "home-10"
name = "Home 10 Mbit/s"
from = 2025-01-01
amount = "500.00"
[[price]]
code = "home-20"
name = "Home 20 Mbit/s"
from = 2025-01-01
amount = "1000.00"
[[price]]
code = "office-50"
name = "Office 50 Mbit/s"
from = 2025-01-01
amount = "2500.00"
[[price]]
code = "static-ip"
name = "Static IP address"
from = 2025-01-01
amount = "200.00"
[billing]
grace_days = 10
"""
PACKAGES = (("home-10", "500.00"), ("home-20", "1000.00"), ("office-50", "2500.00"))
"""Codes of the price list, and about what a customer on each of them pays."""
NAMES = ("Rahim", "Karim", "Fatema", "Ayesha", "Jamal", "Nasrin", "Hasan", "Shirin", "Tarek")
SHOWN = ("c-00001", "c-00003", "c-00008")


async def play(customers: int) -> None:
    """Start a fleet, play the month, show the results, stop, and leave nothing behind."""
    began = time.perf_counter()
    progress("starting Kafka, PostgreSQL and five workers ...")
    async with _fleet() as fleet:
        progress(f"ready after {time.perf_counter() - began:.0f} s")
        async with database(fleet.database_admin) as connection:
            await reports.apply_policy(connection, POLICY, RECHECKS)
        isp = Isp(customers)
        await _step(fleet, "December's customers sign up", isp.signups(before=MONTH))
        for ten in (range(1, 11), range(11, 21), range(21, DAYS + 1)):
            days = [MONTH.replace(day=day) for day in ten]
            events = [event for day in days for event in isp.day(day)]
            await _step(fleet, f"January {ten[0]} to {ten[-1]}: signups, payments, ticks", events)
        await _step(fleet, "1 February: a new month for everyone", [isp.tick(date(2026, 2, 1))])
        await _show(fleet, time.perf_counter() - began)


class Isp:
    """Customers and their events, chosen at random by a fixed seed."""

    def __init__(self, customers: int) -> None:
        self._chance = random.Random(SEED)
        december = MONTH - timedelta(days=31)
        self._joining: dict[date, list[int]] = {}
        self._paying: dict[date, list[int]] = {}
        for number in range(1, customers + 1):
            joined = (MONTH if number % 8 == 0 else december) + self._days()
            self._joining.setdefault(joined, []).append(number)
            if self._chance.random() < 0.8:
                pays = max(joined, MONTH + self._days())
                self._paying.setdefault(pays, []).append(number)

    def day(self, day: date) -> Iterator[Message]:
        """Yield the events of a day: signups, payments, and the nightly tick."""
        for number in self._joining.get(day, ()):
            yield self._signup(number, day)
        for number in self._paying.get(day, ()):
            yield self._payment(number, day)
        yield self.tick(day)

    def signups(self, before: date) -> Iterator[Message]:
        for day in sorted(self._joining):
            if day < before:
                for number in self._joining[day]:
                    yield self._signup(number, day)

    def _signup(self, number: int, joined: date) -> Message:
        """Return a signup: three cycles, three packages of the price list, some with an address of
        their own, some exempt from VAT, some VIP."""
        code, _ = PACKAGES[number % len(PACKAGES)]
        data: dict[str, Any] = {
            "customer_id": _customer_id(number),
            "signed_up_at": f"{joined}T10:00:00+06:00",
            "joined_on": joined.isoformat(),
            "name": f"{NAMES[number % len(NAMES)]} {number}",
            "phone": f"+88017{number:08d}",
            "language": "bn" if number % 2 else "en",
            "package": {"code": code},
            "cycle": self._cycle(number),
            "mode": "monthly" if number % 4 == 0 else "cumulative",
            "vip": number % 200 == 0,
            "actor": "manager",
        }
        if number % 20 == 0:
            data["vat_exempt"] = True
        if number % 7 == 0:
            data["extras"] = [{"code": "static-ip"}]
        if number % 15 == 0:
            data["discount_percent"] = "10"
        return _event("billing.customer.signed_up.v1", f"signup-{number}", data)

    def _payment(self, number: int, day: date) -> Message:
        """Return a payment: mostly a month's bill, sometimes another amount."""
        online = self._chance.random() < 0.6
        _, price = PACKAGES[number % len(PACKAGES)]
        month = Decimal(price) * Decimal("1.155")
        amount = month if self._chance.random() < 0.8 else Decimal(price) / 2
        data = {
            "payment_id": f"{number}-{day}",
            "customer_id": _customer_id(number),
            "amount": f"{amount:.2f}",
            "method": "bkash" if online else "cash",
            "channel": "online" if online else "field",
            "received_at": f"{day}T{self._chance.randrange(11, 20):02d}:00:00+06:00",
            "reference": f"receipt {number}",
            "actor": "gateway" if online else "field-3",
        }
        return _event("billing.payment.received.v1", f"payment-{number}", data)

    def tick(self, day: date) -> Message:
        data = {
            "tick_id": f"nightly-{day}",
            "period": f"{day:%Y-%m}",
            "as_of": day.isoformat(),
            "trigger": "nightly",
        }
        return _event("billing.tick.v1", f"nightly-{day}", data)

    def _days(self) -> timedelta:
        return timedelta(days=self._chance.randrange(DAYS))

    def _cycle(self, number: int) -> dict[str, Any]:
        if number % 5 == 0:
            return {"kind": "custom", "day": self._chance.randrange(1, 32)}
        return {"kind": "anniversary" if number % 3 == 0 else "start_of_month"}


def _customer_id(number: int) -> str:
    return f"c-{number:05d}"


def _event(kind: str, event_id: str, data: dict[str, Any]) -> Message:
    return structured(
        {"specversion": "1.0", "id": event_id, "source": "demo", "type": kind, "data": data}
    )


@asynccontextmanager
async def _fleet() -> AsyncIterator[Fleet]:
    """Run a fleet of its own, whatever servers and settings the environment names."""
    settings = Settings()
    with tempfile.TemporaryDirectory(prefix="rollforward-demo-", ignore_cleanup_errors=True) as at:
        workers = dict.fromkeys(WORKERS, 1)
        async with Fleet(
            Path(at), workers, prepare=prepare(settings), command=worker_command, settings=settings
        ) as fleet:
            yield fleet


async def _step(fleet: Fleet, what: str, events: Iterable[Message]) -> None:
    """Publish, wait until the fleet has settled, and print the counts and the time."""
    async with database(fleet.database_admin) as connection:
        before = await reports.counts(connection)
        began = time.perf_counter()
        events_sent = await publish(fleet.kafka, events)
        await settle(fleet.kafka, fleet.database_admin, timeout=120)
        seconds = time.perf_counter() - began
        after = await reports.counts(connection)
    lines, notices = (after[name] - before[name] for name in ("lines", "notices"))
    progress(
        f"{what}: {counted(events_sent, 'event')}, {counted(lines, 'ledger line')},"
        f" {counted(notices, 'notice')}"
        f" in {seconds:.1f} s ({lines / seconds:,.0f} lines a second)"
    )


async def _show(fleet: Fleet, seconds: float) -> None:
    """Print a few statements, the totals, and what to try next."""
    async with database(fleet.database_admin) as connection:
        for customer_id in SHOWN:
            who = await reports.customer(connection, customer_id)
            if who is not None:
                click.echo("\n" + heading(who))
                rows = await reports.statement(connection, customer_id)
                print_statement(rows)
        totals = await reports.totals(connection)
        click.echo("\nthe whole ISP, a row per period")
        heads = ["period", "customers", "billed", "paid", "due"]
        print_table(
            [*heads, "paid %"],
            [
                [*(row[head] for head in heads), round(100 * row["paid"] / row["billed"], 1)]
                for row in totals
            ],
        )
        counts = await reports.counts(connection)
    click.echo(
        f"\n{counted(counts['lines'], 'ledger line')} and {counted(counts['notices'], 'notice')} "
        f"from {counted(counts['commands'], 'command')} in {seconds:.0f} s, start included"
    )
    click.echo(
        "\nNext: keep a fleet with `rollforward up --data ./fleet`, then, in another terminal,\n"
        "`export ROLLFORWARD_DATA=./fleet`, `rollforward publish FILE.jsonl`, `rollforward tick "
        "--as-of DATE`,\n`rollforward settle`, `rollforward statement CUSTOMER`; `rollforward "
        "--help` lists the rest."
    )
