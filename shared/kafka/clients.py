"""Makes all Kafka clients, so that the connection to the brokers is configured in one place.

A test checks that no other package constructs one. Every consumer made here can read odd records.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from shared.kafka import odd_records

ANSWER_MS_MAX, ANSWER_SECONDS_MAX = 5000, 5.0
"""How long a broker at work may take to answer; one that starts may take longer."""
STARTING_SECONDS_MAX = 30.0
SESSION_SECONDS = 10
POLL_INTERVAL_MS = 3_600_000
"""Long, so that a worker that waits for its database keeps its partitions; zombies are fenced by
positions."""

METADATA_MS = 5_000
"""How often members of a group and producers look at the topics, so that they notice new, deleted
and larger ones soon."""


def consumer(kafka: str, *topics: str, **options: Any) -> AIOKafkaConsumer:
    """Return a consumer that commits nothing by itself; `kafka` is host:port, commas between."""
    odd_records.read_all()
    return AIOKafkaConsumer(*topics, bootstrap_servers=kafka, enable_auto_commit=False, **options)


def member(kafka: str, group: str, *topics: str, **options: Any) -> AIOKafkaConsumer:
    """Return a consumer in the group `rollforward-GROUP`, starting at the earliest record."""
    return consumer(
        kafka,
        *topics,
        group_id=f"rollforward-{group}",
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_SECONDS * 1000,
        heartbeat_interval_ms=SESSION_SECONDS * 200,
        max_poll_interval_ms=POLL_INTERVAL_MS,
        metadata_max_age_ms=METADATA_MS,
        **options,
    )


def producer(kafka: str, **options: Any) -> AIOKafkaProducer:
    """Return an idempotent producer whose records are acknowledged by every in-sync replica."""
    return AIOKafkaProducer(
        bootstrap_servers=kafka,
        enable_idempotence=True,
        acks="all",
        metadata_max_age_ms=METADATA_MS,
        **options,
    )


def admin(kafka: str, **options: Any) -> AIOKafkaAdminClient:
    """Return an admin client. Keep it referenced while it is in use."""
    return AIOKafkaAdminClient(bootstrap_servers=kafka, **options)
