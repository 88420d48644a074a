"""What a person does about a book that was restored to an earlier hour (contract §16)."""

import logging

import asyncpg
from aiokafka.errors import KafkaError

from shared.operator.servers import database, no_kafka
from shared.runtime.restored import Found, look, said


class BookBehind(Exception):
    """The book was restored to an earlier hour, and nothing may be written in it now."""


async def expect_whole(database_url: str, kafka: str) -> None:
    """Return when a person may write in this book; BookBehind when it stands still."""
    async with database(database_url) as connection:
        found = await compared(connection, kafka)
    if found.stands_still:
        raise BookBehind(said(found))


async def compared(connection: asyncpg.Connection, kafka: str) -> Found:
    """Do as `look`, for a command; Unreachable when the broker cannot be asked."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # we say it better
    try:
        return await look(connection, kafka)
    except (KafkaError, OSError) as error:
        raise no_kafka(kafka, error) from error
