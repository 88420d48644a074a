"""Topics made by others: each wrong setting is named, on a real broker."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.workers import WORKERS, parts_of
from shared.embedded import Kafka
from shared.kafka import topic_settings
from shared.kafka.broker import WrongTopics, check_topics, create_topics
from shared.kafka.topic_ids import TopicNow
from shared.kafka.topic_settings import (
    RETENTION_MS,
    offsets_minutes,
    remarks,
    remarks_on,
    remarks_on_offsets,
    wanted,
)
from shared.operator.set_up import set_up
from shared.runtime import fitness, worker
from shared.runtime.context import Context
from shared.runtime.fitness import TOPICS as TOPICS_CAUSE
from shared.runtime.fitness import keep_looking, unfit, unfit_topics
from shared.runtime.settings import Settings
from shared.schemas.topics import ENTITLEMENTS, LEDGER, PAYMENTS, RECHECKS, SIGNUPS, TOPICS
from tests.faults.test_topic_made_anew import administered
from tests.support.live import fresh_topics, no_topics
from tests.support.patience import until

TOPIC = {topic.name: topic for topic in TOPICS}


async def made_by_hand(
    kafka: str, topic: str, settings: Mapping[str, str], partitions: int = 12
) -> None:
    """Make one topic as somebody else would, and the others as `migrate` does."""
    await no_topics(kafka)
    named = {name.replace("_", "."): value for name, value in settings.items()}
    async with administered(kafka) as admin:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=named)])
    await create_topics(kafka, 12)


async def found(kafka: str) -> dict[str, tuple[bool, str]]:
    return {each.topic: (each.refuses, each.words) for each in await remarks(kafka, 12)}


async def unfit_to(worker_name: str, settings: Settings) -> str | None:
    """Return why a worker would not start on these servers."""
    context = Context(worker_name, settings)
    try:
        return await unfit(context, asyncio.Event())
    finally:
        for each in context.databases:
            await each.close()


async def test_topics_that_we_make_leave_nothing_to_remark(kafka: Kafka) -> None:
    await fresh_topics(kafka.bootstrap)
    assert await check_topics(kafka.bootstrap, 12) == []


@pytest.mark.parametrize(
    ("topic", "partitions", "settings", "said"),
    [
        (PAYMENTS, 6, {}, "it has 6 partitions, and the fleet was set up with 12"),
        (SIGNUPS, 12, {"cleanup_policy": "compact"}, "compacts"),
        (PAYMENTS, 12, {"cleanup_policy": "compact,delete"}, "compacts"),
        (LEDGER, 12, {"cleanup_policy": "compact"}, "compacts"),
        (PAYMENTS, 12, {"min_insync_replicas": "2"}, "nothing can be written"),
    ],
)
async def test_a_setting_that_loses_events_or_mixes_customers_up_refuses_to_run(
    kafka: Kafka, database: str, topic: str, partitions: int, settings: dict[str, str], said: str
) -> None:
    await made_by_hand(kafka.bootstrap, topic, settings, partitions)
    with pytest.raises(WrongTopics, match=f"{topic}: .*{said}"):
        await set_up(kafka.bootstrap, database, Settings())
    at = Settings(kafka=kafka.bootstrap, database_url=database)
    for name in WORKERS:
        why = await unfit_to(name, at)
        assert f"{topic}: " in str(why), name
        assert said in str(why), name
        assert await worker.work(name, at, parts_of) == 2, name


@pytest.mark.parametrize(
    ("topic", "settings", "said"),
    [
        (PAYMENTS, {"retention_ms": "3600000", "message_timestamp_type": "LogAppendTime"},
         "retention.ms is 0.0417 days"),
        (PAYMENTS, {"retention_ms": str(RETENTION_MS), "message_timestamp_type": "CreateTime"},
         "message.timestamp.type is CreateTime"),
        (SIGNUPS, {"retention_bytes": "1000000"}, "retention.bytes is 1000000"),
    ],
)  # fmt: skip
async def test_a_setting_that_may_lose_events_one_day_warns(
    kafka: Kafka,
    database: str,
    topic: str,
    settings: dict[str, str],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await made_by_hand(kafka.bootstrap, topic, settings)
    steps = await set_up(kafka.bootstrap, database, Settings())
    (warned,) = [step for step in steps if step.startswith("warning: ")]
    assert warned.startswith(f"warning: {topic}: {said}")
    assert set(await found(kafka.bootstrap)) == {topic}

    caplog.clear()
    at = Settings(kafka=kafka.bootstrap, database_url=database)
    assert await unfit_to("relay", at) is None
    (logged,) = [each for each in caplog.messages if each.startswith("relay: ")]
    assert logged.startswith(f"relay: {topic}: {said}")


@pytest.mark.parametrize(
    ("topic", "settings"),
    [
        (ENTITLEMENTS, {"cleanup_policy": "compact"}),
        (RECHECKS, {"cleanup_policy": "compact", "retention_ms": "3600000"}),
        (PAYMENTS, {"retention_ms": "-1", "message_timestamp_type": "CreateTime"}),
    ],
)
async def test_a_setting_that_loses_nothing_is_left_alone(
    kafka: Kafka, topic: str, settings: dict[str, str]
) -> None:
    await made_by_hand(kafka.bootstrap, topic, settings)
    assert await check_topics(kafka.bootstrap, 12) == []


def test_copies_are_asked_for_where_there_are_brokers_to_hold_them() -> None:
    def said(replicas: int, brokers: int, in_sync: str) -> list[tuple[bool, str]]:
        now, settings = TopicNow(None, tuple(range(12)), replicas), {"min.insync.replicas": in_sync}
        told = remarks_on(TOPIC[PAYMENTS], now, brokers, settings, 12)
        return [(each.refuses, each.words.split(":")[0]) for each in told]

    assert said(1, 1, "1") == []
    assert said(1, 3, "1") == [(False, "it has 1 replica on 3 brokers")]
    assert said(3, 3, "1") == [(False, "min.insync.replicas is 1")]
    assert said(3, 3, "2") == []
    assert said(2, 3, "3") == [(True, "min.insync.replicas is 3 with 2 replicas")]
    assert wanted(TOPIC[PAYMENTS], 3)["min.insync.replicas"] == "2"
    assert "min.insync.replicas" not in wanted(TOPIC[PAYMENTS], 1)


async def test_a_broker_that_forgets_offsets_soon_is_warned_of(kafka: Kafka) -> None:
    """Once they are forgotten, nothing outside of a restored book knows more than the book."""
    async with administered(kafka.bootstrap) as admin:
        told = await offsets_minutes(admin)
    assert told == {"1": 365 * 24 * 60}, "the embedded broker keeps them for a year"

    (remark,) = remarks_on_offsets("7", 10080)
    assert str(remark).startswith("broker 7: offsets.retention.minutes is 10080 (7 days): ")
    assert not remark.refuses
    assert remarks_on_offsets("7", 43200) == []


async def test_a_short_memory_for_offsets_is_among_what_migrate_warns_of(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_settings, "OFFSETS_DAYS_MIN", 400)
    await fresh_topics(kafka.bootstrap)
    steps = await set_up(kafka.bootstrap, database, Settings())
    assert [step for step in steps if step.startswith("warning: broker 1: offsets.retention")]


async def test_an_event_with_an_old_timestamp_is_kept_by_its_time_of_arrival(kafka: Kafka) -> None:
    await fresh_topics(kafka.bootstrap)
    old = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1000)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        sent = await producer.send_and_wait(PAYMENTS, b"{}", b"c-1", timestamp_ms=old)
    assert sent.timestamp > old + 2 * RETENTION_MS


async def test_a_setting_changed_under_a_worker_is_said_and_taken_back(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fitness, "TOPICS_SECONDS", 0.05)
    await fresh_topics(kafka.bootstrap)
    context = Context("relay", Settings(kafka=kafka.bootstrap, database_url=database))
    context.health.causes.clear()
    stopping = asyncio.Event()
    looking = asyncio.create_task(keep_looking(context, stopping))
    async with administered(kafka.bootstrap) as admin:
        await configured(admin, PAYMENTS, {"cleanup.policy": "compact", "retention.bytes": "9"})
        await until(lambda: TOPICS_CAUSE in context.health.causes, "the worker to look again")
        said = context.health.causes[TOPICS_CAUSE]
        await configured(admin, PAYMENTS, {"cleanup.policy": "delete"})
        await until(lambda: not context.health.causes, "the worker to look again")
    stopping.set()
    await looking

    assert said.startswith(f"{PAYMENTS}: cleanup.policy compacts")
    assert "retention.bytes" not in said, "it only warns"
    told = [(each.levelname, each.getMessage()) for each in caplog.records if "topic" in each.name
            or each.name == "shared.runtime.fitness"]  # fmt: skip
    assert [level for level, _ in told] == ["ERROR", "WARNING", "WARNING", "WARNING"]
    assert [words.split(": ")[2].split()[0] for _, words in told[:2]] == [
        "cleanup.policy", "retention.bytes",
    ]  # fmt: skip
    for each in context.databases:
        await each.close()


async def configured(admin: AIOKafkaAdminClient, topic: str, settings: Mapping[str, str]) -> None:
    """Give a topic these settings, and no other of its own."""
    kept = wanted(TOPIC[topic], 1)
    await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic, {**kept, **settings})]
    )


async def test_a_worker_waits_for_a_broker_before_it_looks_at_topics() -> None:
    stopping = asyncio.Event()
    nowhere = Settings(kafka="127.0.0.1:1", database_url="postgresql://nobody@127.0.0.1:1/none")
    context = Context("relay", nowhere)
    waiting = asyncio.create_task(unfit_topics(context, stopping))
    await until(
        lambda: context.health.causes["kafka"] != "starting", "the worker to have asked Kafka"
    )
    stopping.set()
    assert await waiting is None
