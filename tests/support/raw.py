"""Records as no decent client writes them, put on a topic byte for byte."""

from collections.abc import Callable, Mapping, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from shared.kafka.buckets import partition_of
from shared.schemas.envelope import Message

GZIP = 1
HEADER_BYTES = 61
"""Where the first record begins in a batch that is not compressed."""


def batch(
    messages: Sequence[Message],
    *,
    compression: int = 0,
    timestamp: int | None = None,
    instead: Mapping[bytes, bytes] | None = None,
    spoil: Callable[[bytearray], None] = lambda _: None,
) -> bytes:
    """Build a batch. `instead` puts other bytes, as many, for those that occur once; `spoil` may
    do what it likes before the checksum is made."""
    builder = _DefaultRecordBatchBuilderPy(
        2,
        compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for offset, message in enumerate(messages):
        headers = list(message.headers)
        builder.append(offset, timestamp, message.key, message.value, headers)
    for old, new in (instead or {}).items():
        assert builder._buffer.count(old) == 1
        assert len(old) == len(new)
        builder._buffer[:] = builder._buffer.replace(old, new)
    spoil(builder._buffer)
    return bytes(builder.build())


async def send(kafka: str, topic: str, key: bytes, raw: bytes) -> None:
    """Send a batch as it is to the partition of a key; the broker's refusal is raised."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        number = partition_of(key, len(await producer.partitions_for(topic)))
        await (await producer.send_batch(_Built(raw), topic, partition=number))
    finally:
        await producer.stop()


class _Built(BatchBuilder):  # type: ignore[misc]
    """What the client takes for a batch of its own."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(0, 0)
        self._buffer, self._closed = raw, True
        self._relative_offset = int.from_bytes(raw[HEADER_BYTES - 4 : HEADER_BYTES])
