"""Compares a restored book with Kafka, for commands (deploy/runbook.md#bookrestored)."""

import logging

import asyncpg
from aiokafka.errors import KafkaError

from shared.operator.servers import database, no_kafka
from shared.runtime.restored import Found, described, look


class BookBehind(Exception):
    """The book was restored to an earlier hour, and must not be written to before `restored`."""


async def expect_whole(database_url: str, kafka: str) -> None:
    """Return if a command may write to this book; raise BookBehind if it is behind Kafka."""
    async with database(database_url) as connection:
        found = await compared(connection, kafka)
    if found.stands_still:
        raise BookBehind(described(found))


async def compared(connection: asyncpg.Connection, kafka: str) -> Found:
    """Do as `look`, but raise Unreachable when the broker does not answer."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own error says it in one line
    try:
        return await look(connection, kafka)
    except (KafkaError, OSError) as error:
        raise no_kafka(kafka, error) from error
