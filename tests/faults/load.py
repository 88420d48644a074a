"""What a chaos run publishes, stretch by stretch, and what must have come of it in the end.

Every customer pays the same price from 1 January on, so what he owes in the end does not depend
on the order in which topics were read: months billed, less a cancelled one, less his payments.
"""

import json
import random
from collections import Counter
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.schemas.dead_letters import read_dead_letter
from shared.schemas.envelope import Message
from shared.schemas.publish import binary
from shared.schemas.topics import DEAD_LETTERS, LEDGER, NOTIFICATIONS, PAYMENTS, REFUSALS, SIGNUPS

PRICE = 1000
DAYS = ("2026-02-01", "2026-03-01", "2026-04-01")
TRIGGERS = ("nightly", "manual", "sweep")
MONTHS = 1 + len(DAYS)


class Load:
    """Publishes, and remembers what was promised for it."""

    def __init__(self, producer: AIOKafkaProducer, chosen: random.Random, customers: int) -> None:
        self._producer = producer
        self._random = chosen
        self.customers = [f"c-{number:04d}" for number in range(customers)]
        self.commands: dict[str, str] = {}
        self.due = dict.fromkeys(self.customers, MONTHS * PRICE)
        self.parked: set[str] = set()
        self.conflicts: set[str] = set()
        self.poison: Counter[tuple[bytes, bytes]] = Counter()
        self._serial = 0

    async def stretch(self, number: int) -> None:
        """Publish one stretch: signups of a share of the customers, a month's ticks, payments."""
        share = len(self.customers) // len(DAYS)
        start = number * share
        for customer_id in self.customers[start : start + share]:
            if self._random.random() < 0.5:
                await self._pay(customer_id)
            await self._sign_up(customer_id)
        if number < len(DAYS):
            for trigger in self._random.sample(TRIGGERS, len(TRIGGERS)):
                await self._tick(DAYS[number], trigger)
        for customer_id in self.customers[: start + share]:
            await self._pay(customer_id)
        await self._poison()
        await self._pay(f"nobody-{number}")

    async def cancellations(self) -> None:
        """Cancel the first bill of some: a cascade over all the months since."""
        for customer_id in self.customers[::3]:
            await self._cancel(customer_id, f"bill/{customer_id}/2026-01")
            self.due[customer_id] -= PRICE

    async def _sign_up(self, customer_id: str) -> None:
        data = {
            "customer_id": customer_id,
            "signed_up_at": "2026-01-05T10:00:00+06:00",
            "joined_on": "2026-01-01",
            "name": "Rahim",
            "phone": "+8801711000001",
            "package": {"code": "home", "price": f"{PRICE}.00"},
            "cycle": {"kind": "start_of_month"},
        }
        self.commands[f"signup/{customer_id}"] = "accepted"
        await self._send(binary("billing.customer.signed_up.v1", data, self._next(), "chaos"))

    async def _tick(self, day: str, trigger: str) -> None:
        tick_id = f"{trigger}-{day}"
        data = {"tick_id": tick_id, "period": day[:7], "as_of": day, "trigger": trigger}
        self.commands[f"tick/{tick_id}"] = "accepted"
        await self._send(binary("billing.tick.v1", data, self._next(), "chaos"))

    async def _pay(self, customer_id: str) -> None:
        payment_id, amount = f"p-{self._next()}", self._random.randrange(1, 500)
        data = {
            "payment_id": payment_id,
            "customer_id": customer_id,
            "amount": f"{amount}.00",
            "method": "cash",
            "channel": "field",
            "received_at": "2026-01-20T10:00:00+06:00",
            "actor": "field-1",
        }
        event = binary("billing.payment.received.v1", data, payment_id, "chaos")
        for _ in range(self._random.choice((1, 1, 1, 2))):
            await self._send(event)
        if customer_id in self.due:
            self.due[customer_id] -= amount
            self.commands[f"payment/{payment_id}"] = "accepted"
        else:
            self.parked.add(f"payment/{payment_id}")
        if self._random.random() < 0.05:
            other, ce_id = data | {"amount": f"{amount}.50"}, self._next()
            self.conflicts.add(ce_id)
            await self._send(binary("billing.payment.received.v1", other, ce_id, "chaos"))

    async def _cancel(self, customer_id: str, target: str) -> None:
        cancellation_id = f"x-{self._next()}"
        data = {
            "cancellation_id": cancellation_id,
            "customer_id": customer_id,
            "cancels": target,
            "requested_at": "2026-04-02T10:00:00+06:00",
            "actor": "boss",
            "reason": "mistake",
        }
        self.commands[f"cancellation/{cancellation_id}"] = "accepted"
        event = binary("billing.cancellation.requested.v1", data, cancellation_id, "chaos")
        await self._send(event)

    async def _poison(self) -> None:
        for topic in (SIGNUPS, PAYMENTS):
            key, value = self._next().encode(), self._random.randbytes(30)
            self.poison[key, value] += 1
            await self._send(Message(topic, key, value, []))

    async def _send(self, message: Message) -> None:
        topic, key, value, headers = message
        await self._producer.send(topic, value, key, headers=headers)

    def _next(self) -> str:
        self._serial += 1
        return str(self._serial)


async def faults_found(load: Load, database: asyncpg.Connection, kafka: str) -> list[str]:
    """Return what is wrong after all has settled: nothing, if the promises hold."""
    told: list[str] = []

    def expect(what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            told.append(f"{what}: {_difference(found, wanted)}")

    outcomes = await database.fetch("SELECT command_id, outcome FROM report.command")
    expect("outcomes", {r["command_id"]: r["outcome"] for r in outcomes}, load.commands)
    parked = await database.fetch("SELECT command_id FROM report.parked")
    expect("parked", {row["command_id"] for row in parked}, load.parked)
    dues = await database.fetch("SELECT customer_id, due FROM report.customer")
    expect("dues", {r["customer_id"]: int(r["due"]) for r in dues}, load.due)
    bills = await database.fetchval(
        "SELECT count(*) FROM report.ledger WHERE kind = 'bill' GROUP BY customer_id"
        " ORDER BY abs(count(*) - $1) DESC LIMIT 1",
        MONTHS,
    )
    expect("bills a customer", bills, MONTHS)
    figures = dict(await database.fetchrow("SELECT * FROM report.reconciliation"))
    expect("reconciliation", set(figures.values()), {0})
    expect("quarantined", await database.fetchval("SELECT count(*) FROM report.quarantine"), 0)

    topics = (LEDGER, REFUSALS, NOTIFICATIONS, *(topic.name for topic in DEAD_LETTERS))
    records, ends = await _read(kafka, topics)
    lines = await database.fetch("SELECT customer_id, seq FROM report.ledger ORDER BY 1, 2")
    expect("ledger topic", _as_read(records[LEDGER]), {(r[0], r[1]) for r in lines})
    notices = await database.fetch("SELECT notice_id FROM report.notice")
    published = {json.loads(record.value)["notice_id"] for record in records[NOTIFICATIONS]}
    expect("notices", published, {row["notice_id"] for row in notices})
    refusals = (json.loads(record.value) for record in records[REFUSALS])
    conflicts = {each["event_id"] for each in refusals if each["reason"] == "conflicting_duplicate"}
    expect("conflicts", conflicts, load.conflicts)
    letters = {
        read_dead_letter(record.headers)[0][:3]: (record.key, record.value)
        for topic in DEAD_LETTERS
        for record in records[topic.name]
    }
    expect("dead letters", Counter(letters.values()), load.poison)
    positions = await database.fetch("SELECT topic, partition, next_offset FROM book.position")
    beyond = [(t, p) for t, p, at in positions if at > ends.get((t, p), at)]
    expect("positions beyond their topics", beyond, [])
    return told


def _as_read(records: list[Any]) -> set[tuple[str, int]]:
    """Return the lines as a reader gets them who drops repeats; a gap leaves the rest out."""
    seqs: Counter[str] = Counter()
    for line in (json.loads(record.value) for record in records):
        if line["seq"] == seqs[line["customer_id"]] + 1:
            seqs[line["customer_id"]] += 1
    return {(who, seq) for who, last in seqs.items() for seq in range(1, last + 1)}


def _difference(found: Any, wanted: Any) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)]
        return ", ".join(f"{k} is {found.get(k)}, not {wanted.get(k)}" for k in sorted(keys)[:5])
    if isinstance(found, set) and isinstance(wanted, set):
        return f"too many {sorted(found - wanted)[:5]}, missing {sorted(wanted - found)[:5]}"
    return f"{found}, not {wanted}"


async def _read(
    kafka: str, topics: tuple[str, ...]
) -> tuple[dict[str, list[Any]], dict[tuple[str, int], int]]:
    """Return every record of these topics, each partition in its order, and all ends."""
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends: dict[TopicPartition, int] = {}
        while not ends:
            await consumer.getmany(timeout_ms=50)
            ends = await consumer.end_offsets(list(consumer.assignment()))
        for partition in ends:
            await consumer.seek_to_beginning(partition)
        records: dict[str, list[Any]] = {topic: [] for topic in topics}
        while any([await consumer.position(p) < end for p, end in ends.items()]):
            for partition, batch in (await consumer.getmany(timeout_ms=500)).items():
                records[partition.topic] += batch
        return records, {(p.topic, p.partition): end for p, end in ends.items()}
    finally:
        await consumer.stop()
