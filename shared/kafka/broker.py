"""Creates the topics on the broker, and checks those that exist."""

import asyncio
from collections.abc import Collection

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.kafka import clients
from shared.kafka.topic_ids import describe
from shared.kafka.topic_settings import REPLICAS, Remark, remarks, wanted
from shared.schemas.topics import TOPICS

START_SECONDS_MAX = 120


class WrongTopics(Exception):
    """A topic has settings that lose events or mix up customers."""


async def expect_answer(kafka: str) -> None:
    """Return if a broker answers; raise OSError or KafkaError if none does."""
    admin = clients.admin(kafka)
    try:
        await admin.start()
    finally:
        await admin.close()


async def create_topics(kafka: str, partitions: int) -> None:
    """Create every topic that does not exist, and return when all exist.

    Raises OSError or KafkaError when the broker cannot be reached.
    """
    admin = clients.admin(kafka)
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        new = [topic for topic in TOPICS if topic.name not in existing]
        if new:
            brokers = len((await admin.describe_cluster())["brokers"])
            answer = await admin.create_topics(
                [
                    NewTopic(
                        topic.name,
                        num_partitions=topic.partition_count(partitions),
                        replication_factor=min(brokers, REPLICAS),
                        topic_configs=wanted(topic, brokers),
                    )
                    for topic in new
                ]
            )
            for name, code, *rest in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"{name}: {rest}")
        await _until_there(admin)
    finally:
        await admin.close()


async def check_topics(kafka: str, partitions: int) -> list[Remark]:
    """Return what is wrong with the topics; raise WrongTopics when no worker may run on them.

    Raises OSError or KafkaError when the broker cannot be reached.
    """
    found = await remarks(kafka, partitions)
    refused = [str(remark) for remark in found if remark.refuses]
    if refused:
        raise WrongTopics("; ".join(refused))
    return found


async def add_partitions(kafka: str, topics: Collection[str], count: int) -> None:
    """Give topics that have fewer so many partitions, and return when the broker shows them.

    Raises OSError or KafkaError when the broker cannot be reached or refuses it.
    """
    admin = clients.admin(kafka)
    try:
        await admin.start()
        await admin.create_partitions({topic: NewPartitions(count) for topic in topics})
        for _ in range(START_SECONDS_MAX * 10):
            now = (await describe(admin._client, topics)).topics
            if all(topic in now and len(now[topic].partitions) == count for topic in topics):
                return
            await asyncio.sleep(0.1)
        raise KafkaError(f"the broker does not show {count} partitions of {sorted(topics)}")
    finally:
        await admin.close()


async def _until_there(admin: AIOKafkaAdminClient) -> None:
    names = {topic.name for topic in TOPICS}
    for _ in range(START_SECONDS_MAX * 10):
        described = await admin.describe_topics(sorted(names))
        found = {topic["topic"] for topic in described if not topic["error_code"]}
        if found == names:
            return
        await asyncio.sleep(0.1)
    raise KafkaError(f"topics were not created: {sorted(names - found)}")
