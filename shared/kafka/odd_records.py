"""Records that Kafka allows and aiokafka cannot read or write, such as those with header names that
are not UTF-8.

Anyone may publish one, and the client's parser fails on its whole batch, so the partition would
never be read on. So header names are decoded as Python decodes file names (`surrogateescape`: a
byte that is not UTF-8 becomes a lone surrogate) and encoded the same way, which keeps their bytes.
The client's own fast parser and producer are tried first.

A record that came compressed may be too large to be sent uncompressed: it is sent compressed.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

from shared.kafka.buckets import partition_of
from shared.schemas.envelope import Message

LENGTH_AT, PREAMBLE = 8, 12
"""A batch begins with its offset (8 bytes) and the length of what follows (4 bytes)."""
PLAIN, ZSTD = 0, 4
PLAIN_BYTES_MAX = 512 * 1024
"""A larger record is sent compressed. Only dead letters are ever so large."""


def read_all() -> None:
    """Let every consumer of this process read records with any header names."""
    fetcher.MemoryRecords = _Records


async def send(producer: AIOKafkaProducer, message: Message) -> asyncio.Future[Any]:
    """Hand a message to a producer; the future is done when the broker has acknowledged it."""
    topic, key, value, headers = message
    sent: asyncio.Future[Any]
    if not is_odd(message):
        sent = await producer.send(topic, value=value, key=key, headers=headers)
        return sent
    partitions = len(await producer.partitions_for(topic))
    number = partition_of(key or b"", partitions)
    large = _size(message) > PLAIN_BYTES_MAX
    batch = _AnyBuilder(PLAIN_BYTES_MAX, ZSTD if large else PLAIN)
    named = [(_Name(name), content) for name, content in headers]
    batch.append(timestamp=None, key=key, value=value, headers=named)
    batch.close()
    sent = await producer.send_batch(batch, topic, partition=number)
    return sent


def is_odd(message: Message) -> bool:
    """Return whether the client's own way cannot send this message."""
    for name, _ in message.headers:
        if not name.isascii() and not _is_utf8(name):
            return True
    return _size(message) > PLAIN_BYTES_MAX


def _size(message: Message) -> int:
    _, key, value, headers = message
    size = len(key or b"") + len(value or b"")
    for name, content in headers:
        size += len(name) + len(content or b"")
    return size


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


# Reading -------------------------------------------------------------------------------------


class _Records:
    """The records of a fetch: the client's own reader, and the bytes of each batch."""

    def __init__(self, data: bytes) -> None:
        records: Any = MemoryRecords(data)
        self._next_batch = records.next_batch
        self.has_next, self.size_in_bytes = records.has_next, records.size_in_bytes
        self._data, self._at = data, 0

    def next_batch(self) -> "_Batch":
        begin, length_at = self._at, self._at + LENGTH_AT
        length = int.from_bytes(self._data[length_at : begin + PREAMBLE])
        self._at += PREAMBLE + length
        return _Batch(self._next_batch(), self._data, begin, self._at)


class _Batch:
    """A batch, read by the client's own parser or, where that fails, by a lenient one."""

    def __init__(self, batch: Any, data: bytes, begin: int, end: int) -> None:
        self._batch, self._data, self._begin, self._end = batch, data, begin, end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)  # a transaction marker is read elsewhere

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except (UnicodeDecodeError, CorruptRecordException):
            # Raises again for a batch that Kafka does not allow either.
            lenient = _DefaultRecordBatchPy(self._data[self._begin : self._end])
            lenient._maybe_uncompress()
            lenient._buffer = _Bytes(lenient._buffer)
            _clear_attributes(lenient._buffer, lenient._pos, lenient._num_records)
            return iter(list(lenient))


def _clear_attributes(records: bytearray, at: int, count: int) -> None:
    """Set each record's attributes to 0: Kafka accepts any byte there and ignores it, the client
    reads it as a varint that may extend into the next byte."""
    try:
        for _ in range(count):
            length, at = decode_varint(records, at)
            records[at] = 0
            at += length
    except (IndexError, ValueError) as error:
        raise CorruptRecordException(f"Found invalid record structure: {error!r}") from error


class _Bytes(bytearray):
    """Bytes whose slices decode whether they are UTF-8 or not."""

    def __getitem__(self, part: Any) -> Any:
        found = super().__getitem__(part)
        return _Bytes(found) if isinstance(part, slice) else found

    def decode(self, encoding: str = "utf-8", _errors: str = "") -> str:
        return super().decode(encoding, "surrogateescape")


# Writing -------------------------------------------------------------------------------------


class _Name(str):
    """A header's name that encodes to the bytes that it was read from."""

    def encode(self, encoding: str = "utf-8", _errors: str = "") -> bytes:
        return super().encode(encoding, "surrogateescape")


class _AnyBuilder(BatchBuilder):  # type: ignore[misc]
    """A batch built by the client's builder in Python, which asks each name to encode itself."""

    def __init__(self, batch_size: int, compression_type: int) -> None:
        super().__init__(batch_size, compression_type)
        self._builder = _DefaultRecordBatchBuilderPy(
            2,
            compression_type,
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=0,
            batch_size=batch_size,
        )

    def _set_producer_state(self, producer_id: int, epoch: int, base_sequence: int) -> None:
        self._builder.set_producer_state(producer_id, epoch, base_sequence)
