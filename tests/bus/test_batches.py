"""Messages leave in whole batches: each once, each partition's in its order, odd ones too."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shared.embedded import Kafka
from shared.kafka import batches, clients, odd_records
from shared.kafka.buckets import partition_of
from shared.schemas.envelope import Message
from shared.schemas.topics import LEDGER, PAYMENTS, dead_letters_of
from tests.support.live import live

LETTERS = dead_letters_of(PAYMENTS)
PARTITIONS = 12


def message(number: int, topic: str = LEDGER, size: int = 100) -> Message:
    key, value = b"c-%d" % (number % 40), b"%d " % number + b"." * size
    return Message(topic, key, value, [("ce_id", b"%d" % number)])


async def sent(kafka: Kafka, messages: list[Message]) -> dict[str, list[tuple[Any, ...]]]:
    """Return what each topic has of (partition, key, value, headers) after the messages."""
    odd_records.read_all()
    topics = {each.topic for each in messages}
    async with live(kafka.bootstrap, "", workers=()) as fleet:
        producer = clients.producer(kafka.bootstrap, max_batch_size=1 << 16, linger_ms=0)
        await producer.start()
        await batches.send_all(producer, messages)
        await producer.stop()
        return {
            topic: [
                (each.partition, each.key, each.value, list(each.headers))
                for each in sorted(await fleet.records(topic), key=lambda each: each.partition)
            ]
            for topic in topics
        }


async def test_each_message_arrives_once_in_its_partition_and_in_order(kafka: Kafka) -> None:
    messages = [
        message(number, topic, size=300) for number in range(4000) for topic in (LEDGER, LETTERS)
    ]

    found = await sent(kafka, messages)

    for topic, count in ((LEDGER, PARTITIONS), (LETTERS, 1)):
        ours = [each for each in messages if each.topic == topic]
        assert found[topic] == [
            (number, each.key, each.value, each.headers)
            for number in range(count)
            for each in ours
            if partition_of(each.key, count) == number
        ]


async def test_odd_messages_keep_their_place_among_others(kafka: Kafka) -> None:
    messages = [message(number, LETTERS) for number in range(9)]
    messages[3].headers.append(("\udcff", b"a name that is not UTF-8"))
    messages[4] = message(4, LETTERS, size=600 << 10)
    messages[6] = message(6, LETTERS, size=200 << 10)
    messages[7] = Message(LETTERS, None, None, [("ce_id", None)])  # type: ignore[arg-type, list-item]

    found = await sent(kafka, messages)

    assert found[LETTERS] == [(0, *each[1:]) for each in messages]


class Refusing:
    """Takes batches as aiokafka's producer does, and fails one that holds a certain value."""

    def __init__(self, refused: bytes) -> None:
        self.refused = refused
        self.taken: list[bytes] = []

    async def partitions_for(self, _: str) -> set[int]:
        return set(range(2))

    def create_batch(self) -> "Three":
        return Three()

    async def send_batch(self, batch: "Three", _: str, partition: int) -> asyncio.Future[None]:
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(self._answer, batch, done)
        return done

    def _answer(self, batch: "Three", done: asyncio.Future[None]) -> None:
        if self.refused in batch:
            done.set_exception(MessageSizeTooLargeError())
        else:
            self.taken += batch
            done.set_result(None)


class Three(list[bytes]):
    """A batch that is full with three records."""

    def append(self, *, value: bytes, **_: Any) -> bytes | None:  # type: ignore[override]
        if len(self) == 3:
            return None
        super().append(value)
        return value

    def close(self) -> None: ...


async def test_nothing_overtakes_a_message_of_its_partition_that_was_refused() -> None:
    messages = [Message(LEDGER, b"c-1", b"%d" % number, []) for number in range(12)]
    producer: Any = Refusing(b"4")

    with pytest.raises(KafkaError):
        await batches.send_all(producer, messages)

    assert producer.taken == [b"0", b"1", b"2"]
