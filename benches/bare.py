"""The loop that the latency benchmark compares with; it only consumes, inserts and commits.

`python -m benches.bare TOPIC` runs it on the servers of the environment until it is killed.
"""

import asyncio
import sys

from aiokafka.admin import NewTopic

from shared.kafka import clients
from shared.ledger.postgres.baselines import insert_bare
from shared.runtime.connecting import connect
from shared.runtime.settings import Settings


async def create_topic(kafka: str, topic: str) -> None:
    """Create the loop's topic, with one partition."""
    admin = clients.admin(kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def loop(kafka: str, database_url: str, topic: str) -> None:
    """Insert each record of a topic in a transaction of its own."""
    connection = await connect(database_url, "bare")
    consumer = clients.consumer(kafka, topic, group_id="bare", auto_offset_reset="earliest")
    await consumer.start()
    async for record in consumer:
        async with connection.transaction():
            await insert_bare(connection, record.value)


if __name__ == "__main__":
    settings = Settings.from_environment()
    assert settings.kafka is not None
    assert settings.database_url is not None
    asyncio.run(loop(settings.kafka, settings.database_url, sys.argv[1]))
