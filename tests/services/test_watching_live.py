"""Watching a fleet (docs/metrics.md): what each worker shows, and that nobody is named there."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from services.workers import WORKERS, worker_command
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.runtime.settings import Settings
from shared.schemas.publish import binary
from tests.support.patience import settle, until

NAMED = (
    "billing_events_total{",
    "billing_event_seconds_bucket{",
    "billing_ledger_lines_total{",
    "billing_run_customers_total{",
    "billing_run_last_success_timestamp_seconds ",
    "billing_parked ",
    "billing_dead_letters_total{",
    "billing_reconciliation_difference{",
    "billing_reconciliation_whole_timestamp_seconds ",
    "billing_reconciliation_reach_ratio ",
    "billing_reconciliation_seconds ",
    "billing_consumer_lag_records{",
)


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    settings = Settings()
    counts = dict.fromkeys(WORKERS, 1)
    async with Fleet(
        tmp_path, counts, prepare=prepare(settings), command=worker_command, settings=settings
    ) as fleet:
        yield fleet


async def test_workers_show_their_metrics_and_no_customer(fleet: Fleet) -> None:
    await _a_day(fleet.kafka)
    await settle(fleet.kafka, fleet.database_admin)

    async with aiohttp.ClientSession() as http:
        missing = set(NAMED)
        while missing:  # gauges are refreshed every few seconds
            pages = [await _get(http, url) for url in fleet.metrics.values()]
            missing = {name for name in NAMED if not any(name in page for page in pages)}
            await asyncio.sleep(0)
        assert not any("c-watched" in page for page in pages)
        assert all("billing_ready 1.0" in page for page in pages)
        for url in fleet.metrics.values():
            async with http.get(url.replace("/metrics", "/healthz")) as answer:
                assert answer.status == 200


async def test_a_worker_without_its_database_says_so_and_comes_back_by_itself(
    fleet: Fleet,
) -> None:
    url = fleet.metrics["collector"].replace("/metrics", "/readyz")
    assert fleet._postgres is not None
    await _a_day(fleet.kafka)
    await settle(fleet.kafka, fleet.database_admin)
    pid = fleet.pids["collector"]
    for keeper in fleet._server_keepers:
        keeper.cancel()
    await fleet._postgres.stop()
    await _pay(fleet.kafka)

    async with aiohttp.ClientSession() as http:
        causes: dict[str, str] = {}
        while "database" not in causes:
            async with http.get(url) as answer:
                told = await answer.json()
                causes = told["causes"]
                assert (answer.status == 503) == bool(causes)
            await asyncio.sleep(0.05)
        await fleet._postgres.start()
        await settle(fleet.kafka, fleet.database_admin)

        async def ready() -> bool:
            async with http.get(url) as answer:
                return answer.status == 200

        await until(ready, "the collector to be ready again")
    assert fleet.pids["collector"] == pid


async def _get(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(url) as answer:
        assert answer.status == 200
        return await answer.text()


async def _a_day(kafka: str) -> None:
    signup = {
        "customer_id": "c-watched",
        "signed_up_at": "2026-01-17T10:00:00+06:00",
        "joined_on": "2026-01-17",
        "name": "Rahim",
        "phone": "+8801711000001",
        "package": {"code": "home", "price": "1000.00"},
        "cycle": {"kind": "start_of_month"},
    }
    tick = {"tick_id": "t", "period": "2026-02", "as_of": "2026-02-01", "trigger": "nightly"}
    await _send(kafka, "billing.customer.signed_up.v1", signup)
    await _send(kafka, "billing.tick.v1", tick)
    await _send(kafka, "billing.payment.received.v1", {"customer_id": "c-watched"})


async def _pay(kafka: str) -> None:
    payment = {
        "payment_id": "p-1",
        "customer_id": "c-watched",
        "amount": "1.00",
        "method": "cash",
        "channel": "field",
        "received_at": "2026-01-20T10:00:00+06:00",
        "actor": "field-1",
    }
    await _send(kafka, "billing.payment.received.v1", payment)


async def _send(kafka: str, kind: str, data: Mapping[str, object]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    topic, key, value, headers = binary(kind, dict(data), kind, "test")
    await producer.send_and_wait(topic, value, key, headers=headers)
    await producer.stop()
