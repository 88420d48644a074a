"""The topics on the broker: created once with their counts, and checked ever after."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.schemas.topics import TOPICS

RETENTION_MS = str(30 * 24 * 3600 * 1000)
START_SECONDS_MAX = 120
REPLICAS_MAX = 3


class WrongTopics(Exception):
    """A topic exists with another partition count; it places customers, so it cannot change."""


async def expect_answer(kafka: str) -> None:
    """Return when a broker answers; OSError or KafkaError when none does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    try:
        await admin.start()
    finally:
        await admin.close()


async def create_topics(kafka: str, partitions: int) -> None:
    """Create every topic that does not exist; WrongTopics when one has another count.

    OSError or KafkaError when the broker cannot be reached.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    try:
        await admin.start()
        wanted = {topic.name: topic.partition_count(partitions) for topic in TOPICS}
        existing = set(await admin.list_topics())
        new = [topic for topic in TOPICS if topic.name not in existing]
        if new:
            brokers = len((await admin.describe_cluster())["brokers"])
            answer = await admin.create_topics(
                [
                    NewTopic(
                        topic.name,
                        num_partitions=wanted[topic.name],
                        replication_factor=min(brokers, REPLICAS_MAX),
                        topic_configs=_configs(topic.max_message_bytes),
                    )
                    for topic in new
                ]
            )
            for name, code, *rest in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"{name}: {rest}")
        await _check(admin, wanted)
    finally:
        await admin.close()


def _configs(max_message_bytes: int | None) -> dict[str, str]:
    configs = {"retention.ms": RETENTION_MS}
    if max_message_bytes is not None:
        configs["max.message.bytes"] = str(max_message_bytes)
    return configs


async def _check(admin: AIOKafkaAdminClient, wanted: dict[str, int]) -> None:
    """Wait until every topic is there, and compare its count."""
    for _ in range(START_SECONDS_MAX * 10):
        told = await admin.describe_topics(list(wanted))
        found = {
            topic["topic"]: len(topic["partitions"]) for topic in told if not topic["error_code"]
        }
        if found.keys() == wanted.keys():
            break
        await asyncio.sleep(0.1)
    else:
        raise KafkaError(f"topics were not created: {sorted(wanted.keys() - found.keys())}")
    for name, count in wanted.items():
        if found[name] != count:
            raise WrongTopics(f"{name} has {found[name]} partitions, not {count}")
