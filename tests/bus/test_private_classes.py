"""The parts of aiokafka that we reach into although they are private: unchanged since we read them.

`pyproject.toml` caps aiokafka to the versions that were read. To raise the cap, read what changed.
"""

import hashlib
import inspect
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.producer.message_accumulator import BatchBuilder, MessageBatch
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import CompactArray, CompactString, Schema, TaggedFields
from aiokafka.record import default_records, memory_records, util

ODD = "shared/kafka/odd_records.py; then run tests/bus/test_odd_records.py and test_hostile.py"
IDS = "shared/kafka/topic_ids.py and asker.py; then run tests/faults/test_topic_made_anew.py"

READ: tuple[tuple[Any, str, str], ...] = (
    (fetcher.PartitionRecords._unpack_records, "b803e6d46480732c", ODD),
    (fetcher.PartitionRecords._contains_abort_marker, "17e9ad2322ef4e0a", ODD),
    (fetcher.Fetcher._proc_fetch_request, "59bf948fff47eed5", ODD),
    (memory_records._MemoryRecordsPy, "795a0314fbca30af", ODD),
    (default_records._DefaultRecordBatchPy, "f63fbb5a8a247d54", ODD),
    (default_records._DefaultRecordBatchBuilderPy, "6f28721e91e237c2", ODD),
    (BatchBuilder, "8050802ca7514186", ODD),
    (MessageBatch.set_producer_state, "3ae8627bb3db97b6", ODD),
    (MessageBatch.get_data_buffer, "81c4aaef84b0f4ce", ODD),
    (util.decode_varint_py, "ce0ddca2bf4a9aa5", ODD),
    (AIOKafkaClient.send, "246b277687d7b687", IDS),
    (AIOKafkaClient.add_topic, "b054eda662913f08", IDS),
    (AIOKafkaClient.get_random_node, "0e2daf38b78e99a7", IDS),
    (Request, "1dc66f0574be1673", IDS),
    (RequestStruct, "0c94b7d190186c2a", IDS),
    (Response, "38b92a1dd3b1b270", IDS),
    (MetadataRequest_v5, "e5fd6d04f34efa56", IDS),
    (CompactArray, "3051bc618ade780c", IDS),
    (CompactString, "8474e6b495fa8c1c", IDS),
    (Schema, "cb254b3dabc4c1c5", IDS),
    (TaggedFields, "8dc7ecdf81af42ce", IDS),
)


@pytest.mark.parametrize(
    ("private", "digest", "used_by"), READ, ids=lambda each: getattr(each, "__qualname__", "")
)
def test_a_private_part_is_as_it_was_read(private: Any, digest: str, used_by: str) -> None:
    assert digest_of(private) == digest, (
        f"aiokafka changed {private.__module__}.{private.__qualname__}. Compare it with {used_by}."
        " Where both still fit, write the new digest here and raise the cap in pyproject.toml"
    )


def test_the_reader_of_batches_is_where_we_replace_it() -> None:
    """`odd_records.read_all` replaces this name of the module, which `_proc_fetch_request` uses."""
    assert hasattr(fetcher, "MemoryRecords")


def digest_of(private: Any) -> str:
    return hashlib.sha256(inspect.getsource(private).encode()).hexdigest()[:16]
