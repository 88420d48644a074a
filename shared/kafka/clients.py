"""The one maker of Kafka clients, so that how the brokers are reached is configured once.

No other room constructs one; a test keeps that. Every consumer made here reads odd records.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from shared.kafka import odd_records

SESSION_SECONDS = 10
POLL_INTERVAL_MS = 3_600_000
"""A worker that waits for its database keeps its partitions; the position fences zombies."""


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
        **options,
    )


def producer(kafka: str, **options: Any) -> AIOKafkaProducer:
    """Return an idempotent producer whose records are acknowledged by every in-sync replica."""
    return AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, acks="all", **options)


def admin(kafka: str, **options: Any) -> AIOKafkaAdminClient:
    """Return an admin client. Keep it referenced while it is in use."""
    return AIOKafkaAdminClient(bootstrap_servers=kafka, **options)
