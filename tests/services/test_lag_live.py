"""Lag and standing batches told truly: by those who live, of those who do not (docs/metrics.md)."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from prometheus_client import REGISTRY

from services.coordinator import watch
from services.coordinator.watch import Watch
from services.workers import parts_of
from shared.embedded import Kafka
from shared.kafka import clients
from shared.kafka.buckets import bucket_of
from shared.kafka.topic_settings import RETENTION_MS, remarks
from shared.runtime import lag, metrics, stuck
from shared.runtime.context import Context
from shared.runtime.database import Database
from shared.runtime.lag import LagWatch
from shared.schemas.publish import binary
from shared.schemas.topics import PAYMENTS
from tests.conftest import BUCKETS, PARTITIONS
from tests.services.test_bad_input_live import PAYMENT, payment, signup
from tests.support.live import live
from tests.support.patience import until
from tests.support.proxy import Proxy
from tests.support.raw import batch, send

EVERYONE_ELSE = ("coordinator", "generator", "notifier", "relay")


def behind(topic: str) -> float:
    return sum(
        sample.value
        for each in metrics.CONSUMER_LAG.collect()
        for sample in each.samples
        if sample.labels["topic"] == topic
    )


def age(topic: str) -> float:
    return float(metrics.OLDEST_UNPROCESSED.labels(topic)._value.get())


async def test_who_lives_tells_the_lag_of_who_is_dead_and_how_old_the_oldest_is(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "WATCH_SECONDS", 0.05)
    async with live(kafka.bootstrap, database, EVERYONE_ELSE) as fleet:
        for number in range(5):
            await fleet.publish(PAYMENT, payment(f"p-{number}"))
        await until(lambda: behind(PAYMENTS) == 5)
        await until(lambda: age(PAYMENTS) > 0)
        before = age(PAYMENTS)
        await until(lambda: age(PAYMENTS) > before + 0.1)

        context = Context("collector", fleet.settings)
        (collector,) = parts_of(context)
        working = asyncio.create_task(collector.run())
        await until(lambda: behind(PAYMENTS) == 0 and age(PAYMENTS) == 0)
        collector.stop()
        await working
        for each in context.databases:
            await each.close()


async def by_the_publishers_clock(kafka: str, topic: str) -> None:
    client = clients.admin(kafka)
    await client.start()
    try:
        own = {"message.timestamp.type": "CreateTime", "retention.ms": str(RETENTION_MS)}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, own)])
    finally:
        await client.close()

    async def noticed() -> bool:
        return any(each.topic == topic for each in await remarks(kafka, 12))

    await until(noticed, "the broker to take the topic's setting")


async def test_the_age_is_that_of_the_records_timestamp(kafka: Kafka, database: str) -> None:
    """The time of arrival on topics that we made, the publisher's own on one made otherwise."""
    async with live(kafka.bootstrap, database, ["relay"]) as fleet:
        await by_the_publishers_clock(kafka.bootstrap, PAYMENTS)
        hours = 5 * 3600
        raw = batch(
            [binary(PAYMENT, payment("p-old"), "e-old", "test")],
            timestamp=int(time.time() - hours) * 1000,
        )
        await send(kafka.bootstrap, PAYMENTS, b"c-1", raw)
        await fleet.publish(PAYMENT, payment("p-later"))
        watch, book = _watch(kafka, database)
        await watch.look()
        assert hours <= age(PAYMENTS) < hours + 600
        watch.stop()
        await watch.run()
        await book.close()


@asynccontextmanager
async def behind_a_proxy(database: str) -> AsyncIterator[tuple[str, Proxy]]:
    at = urlsplit(database)
    async with Proxy(str(at.hostname), int(at.port or 0), random.Random(1)) as proxy:
        yield at._replace(netloc=at.netloc.replace(f":{at.port}", f":{proxy.port}")).geturl(), proxy


async def test_lag_rises_while_the_database_is_away(kafka: Kafka, database: str) -> None:
    async with live(kafka.bootstrap, database, ["relay"]) as fleet:
        async with behind_a_proxy(database) as (url, _):
            watch, book = _watch(kafka, url)
            await fleet.publish(PAYMENT, payment("p-1"))
            await watch.look()
            assert behind(PAYMENTS) == 1
        await _end_sessions(database)
        for number in range(2, 6):
            await fleet.publish(PAYMENT, payment(f"p-{number}"))
            await watch.look()
            assert behind(PAYMENTS) == number
        assert age(PAYMENTS) > 0
        watch.stop()
        await watch.run()
        await book.close()


def _watch(kafka: Kafka, url: str) -> tuple[LagWatch, Database]:
    book = Database(url, "lag", size=1)
    return LagWatch(kafka.bootstrap, book), book


async def _end_sessions(database: str) -> None:
    admin = await asyncpg.connect(database)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await admin.close()


# A batch that stands ---------------------------------------------------------------------------


async def test_a_batch_held_up_by_a_lock_is_said_with_the_lock_and_taken_back(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stuck, "STANDS_SECONDS", 0.2)
    monkeypatch.setattr(stuck, "REPORT_SECONDS", 5.0)
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish("billing.customer.signed_up.v1", signup())
        await fleet.settle()
        causes = fleet.health["collector"].causes
        stands = metrics.BATCH_STANDING.labels("collector")._value
        await until(lambda: not causes)
        holder = await asyncpg.connect(database, server_settings={"application_name": "a clerk"})
        async with holder.transaction():
            await holder.execute("LOCK TABLE book.line IN SHARE ROW EXCLUSIVE MODE")
            await fleet.publish(PAYMENT, payment())
            await until(lambda: "batch" in causes)
            assert "lock (relation book.line RowExclusiveLock)" in causes["batch"]
            holds = f"session {holder.get_server_pid()} a clerk holds"
            assert holds in causes["batch"]
            assert stands.get() >= 0.2
        await fleet.settle()
        await holder.close()
        assert "batch" not in causes
        assert stands.get() == 0
    said = [each.getMessage() for each in caplog.records if "collector: batch" in each.getMessage()]
    assert "waits for a lock" in said[0]
    assert "is over, after" in said[-1]


async def test_a_page_of_bills_held_up_by_a_lock_is_said_too(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stuck, "STANDS_SECONDS", 0.2)
    tick = {"tick_id": "t", "period": "2026-02", "as_of": "2026-02-01", "trigger": "nightly"}
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish("billing.customer.signed_up.v1", signup())
        await fleet.settle()
        causes = fleet.health["generator"].causes
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.execute("LOCK TABLE book.line IN SHARE ROW EXCLUSIVE MODE")
            await fleet.publish("billing.tick.v1", tick)
            page = f"page {bucket_of('c-1', BUCKETS) // (BUCKETS // PARTITIONS)}"
            await until(lambda: "book.line" in causes.get(page, ""))
        await fleet.settle()
        await holder.close()
        await until(lambda: not causes)


# The reconciliation ----------------------------------------------------------------------------


class Reconciling(Watch):
    """The watch without Faust: only its reconciliation."""

    def __init__(self, url: str) -> None:
        self._database, self._stopping = Database(url, "reconciling"), asyncio.Event()


async def test_the_reconciliation_says_when_it_could_last_be_read_and_not_when_it_could_not(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = metrics.RECONCILIATION_LAST_SUCCESS._value
    own = Reconciling(database)
    assert await own.reconcile()
    done = shown.get()
    assert time.time() - 600 < done <= time.time()
    assert time.time() - 600 < metrics.RECONCILIATION_WHOLE._value.get() <= done
    assert metrics.RECONCILIATION_REACH._value.get() == 1
    assert 0 < metrics.RECONCILIATION_SECONDS._value.get() < 600
    assert REGISTRY.get_sample_value(
        "billing_reconciliation_last_success_timestamp_seconds"
    ) == pytest.approx(done)

    holder = await asyncpg.connect(database)
    async with holder.transaction():
        await holder.execute("LOCK TABLE book.line IN ACCESS EXCLUSIVE MODE")
        monkeypatch.setattr(watch, "RECONCILE_SECONDS", 0.2)
        assert not await own.reconcile()
    assert shown.get() == done
    assert await own.reconcile()
    assert shown.get() > done
    await holder.close()
    await own._database.close()


def test_a_figure_of_the_fleet_is_shown_by_who_sets_it_and_by_nobody_else() -> None:
    name = "billing_test_of_the_fleet"
    gauge = metrics.FleetGauge(name, "A test.")
    assert REGISTRY.get_sample_value(name) is None
    gauge.set(0)
    gauge.set(2)
    assert REGISTRY.get_sample_value(name) == 2
    REGISTRY.unregister(gauge)
