"""Topics as the broker describes them now: ids and partitions, and the id of the cluster.

A topic that is deleted and recreated has the same name and another id. The client's metadata
requests are of a version without ids, so the request of version 10 (Kafka 2.8) is defined here.
"""

import asyncio
from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from shared.kafka.clients import ANSWER_SECONDS_MAX

NO_ID = UUID(int=0)
Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""


class TopicNow(NamedTuple):
    """A topic as it is now: `topic_id` is None on brokers older than Kafka 2.8, `partitions` is the
    broker's list, `replicas` the smallest replica count of a partition."""

    topic_id: UUID | None
    partitions: tuple[int, ...]
    replicas: int


class Cluster(NamedTuple):
    """The cluster and, of the topics asked for, those that exist."""

    cluster_id: str | None
    brokers: int
    topics: Mapping[str, TopicNow]


async def describe(
    client: AIOKafkaClient,
    topics: Collection[str],
    nodes: Collection[int] = (),
    seconds: float = ANSWER_SECONDS_MAX,
) -> Cluster:
    """Return these topics as a broker describes them; each of `nodes` must give the same answer.

    The leader of a partition knows a new topic before it serves its records. So its answer after
    records were read shows whether they came from the expected topic.
    Raises KafkaError when there is no answer within `seconds`, or when answers differ.
    """
    asked = set(nodes) or {client.get_random_node()}
    try:
        async with asyncio.timeout(seconds):
            answers = await asyncio.gather(
                *(client.send(node, _Ask(list(topics))) for node in asked)
            )
    except TimeoutError:
        raise KafkaError(f"no answer in {seconds:g} s") from None
    found = [_read(answer) for answer in answers]
    if any((each.cluster_id, each.topics) != (found[0].cluster_id, found[0].topics)
           for each in found):  # fmt: skip
        raise KafkaError("brokers disagree on a topic: one of them does not know of a change yet")
    return found[0]


def _read(answer: Response) -> Cluster:
    fields = answer.to_object()
    topics: dict[str, TopicNow] = {}
    for each in fields["topics"]:
        error = for_code(each["error_code"])
        if error is UnknownTopicOrPartitionError:
            continue
        if each["error_code"] and not each["partitions"]:
            raise error(each["topic"])
        topic_id = each.get("topic_id", NO_ID)
        topics[each["topic"]] = TopicNow(
            None if topic_id == NO_ID else topic_id,
            tuple(sorted(part["partition"] for part in each["partitions"])),
            min((len(part["replicas"]) for part in each["partitions"]), default=0),
        )
    return Cluster(fields["cluster_id"], len(fields["brokers"]), topics)


class _Uuid:
    """Sixteen bytes, most significant first."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_TEXT: Any = CompactString("utf-8")
_NUMBERS: Any = CompactArray(Int32)
_UUID: Any = _Uuid


class _Answer(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", _TEXT),
                ("port", Int32),
                ("rack", _TEXT),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("topic_id", _UUID),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", _NUMBERS),
                        ("isr", _NUMBERS),
                        ("offline_replicas", _NUMBERS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _Asked(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _UUID), ("topic", _TEXT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Ask(Request[MetadataRequest_v5 | _Asked]):  # type: ignore[misc]
    """Version 10 where the broker has it, else 5, without ids."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[Any]) -> Any:
        if request_struct_class is _Asked:
            topics: Any = [(NO_ID, topic, {}) for topic in self._topics]
            return _Asked(topics, False, False, False, {})
        return request_struct_class(self._topics, False)
