"""Promises 3, 4 and 6 with real processes: workers that meet, and workers that die."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from services.workers import worker_command
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.runtime.settings import Settings
from shared.schemas.publish import binary
from tests.support.patience import settle

WORKERS = {"coordinator": 1, "generator": 2, "collector": 2, "notifier": 1, "relay": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fleet"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Fleet, AIOKafkaProducer]]:
    settings = Settings()
    async with Fleet(
        folder, WORKERS, prepare=prepare(settings), command=worker_command, settings=settings
    ) as fleet:
        producer = AIOKafkaProducer(
            bootstrap_servers=fleet.kafka, enable_idempotence=True, linger_ms=5
        )
        await producer.start()
        try:
            yield fleet, producer
        finally:
            await producer.stop()


async def sign_up(producer: AIOKafkaProducer, numbers: range) -> None:
    for number in numbers:
        data = {
            "customer_id": f"c-{number:05d}",
            "signed_up_at": "2026-01-05T10:00:00+06:00",
            "joined_on": f"2026-01-{number % 5 + 1:02d}",
            "name": f"Customer {number}",
            "phone": "+8801711000001",
            "package": {"code": "home", "price": f"{500 + number % 7 * 100}.00"},
            "cycle": {"kind": "start_of_month"},
        }
        await send(producer, "billing.customer.signed_up.v1", data, f"s-{number}")


async def tick(producer: AIOKafkaProducer, tick_id: str, as_of: date, trigger: str) -> None:
    data = {
        "tick_id": tick_id,
        "period": f"{as_of:%Y-%m}",
        "as_of": as_of.isoformat(),
        "trigger": trigger,
    }
    await send(producer, "billing.tick.v1", data, tick_id)


async def pay(producer: AIOKafkaProducer, number: int, amount: int) -> None:
    data = {
        "payment_id": f"p-{number}-{amount}",
        "customer_id": f"c-{number:05d}",
        "amount": f"{amount}.00",
        "method": "cash",
        "channel": "field",
        "received_at": "2026-01-20T10:00:00+06:00",
        "actor": "field-1",
    }
    await send(producer, "billing.payment.received.v1", data, data["payment_id"])


async def send(producer: AIOKafkaProducer, kind: str, data: dict[str, Any], ce_id: str) -> None:
    topic, key, value, headers = binary(kind, data, ce_id, "test")
    await producer.send(topic, value, key, headers=headers)


async def rows(fleet: Fleet, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(fleet.database_admin)
    try:
        found: list[asyncpg.Record] = await connection.fetch(query)
        return found
    finally:
        await connection.close()


async def expect_one_bill_each(fleet: Fleet, customers: int, *periods: str) -> None:
    bills = await rows(
        fleet,
        "SELECT period, count(*), count(DISTINCT customer_id) AS customers FROM report.ledger"
        " WHERE kind = 'bill' GROUP BY period ORDER BY period",
    )
    assert [tuple(row) for row in bills] == [(period, customers, customers) for period in periods]
    (figures,) = await rows(fleet, "SELECT * FROM report.reconciliation")
    assert set(figures.values()) == {0}


async def test_three_triggers_at_once_beside_signups_leave_one_bill_each(folder: Path) -> None:
    async with running(folder) as (fleet, producer):
        await sign_up(producer, range(1000))
        await producer.flush()
        first = date(2026, 2, 1)
        await asyncio.gather(
            sign_up(producer, range(1000, 2000)),
            tick(producer, "n-1", first, "nightly"),
            tick(producer, "m-1", first, "manual"),
            tick(producer, "s-1", first, "sweep"),
        )
        await producer.flush()
        await settle(fleet.kafka, fleet.database_admin)

        await expect_one_bill_each(fleet, 2000, "2026-01", "2026-02")
        runs = await rows(fleet, "SELECT tick_id, status FROM report.run ORDER BY tick_id")
        assert [tuple(row) for row in runs] == [("m-1", "done"), ("n-1", "done"), ("s-1", "done")]


async def test_killing_each_worker_during_a_run_of_20_000_loses_and_doubles_nothing(
    folder: Path,
) -> None:
    customers = 20_000
    async with running(folder) as (fleet, producer):
        await sign_up(producer, range(customers))
        await producer.flush()
        await settle(fleet.kafka, fleet.database_admin)

        await tick(producer, "n-2", date(2026, 2, 1), "nightly")
        for number in range(customers):
            await pay(producer, number, 100)
        await producer.flush()
        for name in ("generator", "collector", "relay", "notifier", "coordinator", "generator-2",
                     "collector-2"):  # fmt: skip
            killed = fleet.kill_worker(name)
            await fleet.until_ready(name)
            assert fleet.pids[name] != killed
        await settle(fleet.kafka, fleet.database_admin)

        await expect_one_bill_each(fleet, customers, "2026-01", "2026-02")
        payments = await rows(
            fleet, "SELECT count(*), count(DISTINCT command_id), sum(paid) FROM report.ledger"
            " WHERE kind = 'payment'"
        )  # fmt: skip
        assert tuple(payments[0]) == (customers, customers, customers * 100)
        notices = await rows(
            fleet, "SELECT count(*), count(DISTINCT customer_id) FROM report.notice"
            " WHERE kind = 'due' AND period = '2026-02'"
        )  # fmt: skip
        assert tuple(notices[0]) == (customers, customers)
