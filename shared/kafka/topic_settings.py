"""Checks the topic settings that we rely on, whoever created the topics.

A setting that loses events or mixes up customers is refused; one that may lose events later gives
a warning.
"""

from collections.abc import Mapping
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from shared.kafka import clients
from shared.kafka.topic_ids import Cluster, TopicNow, describe
from shared.ledger.sentences import counted
from shared.schemas.topics import (
    DEAD_LETTER_BYTES_MAX,
    ENTITLEMENTS,
    INTERNAL,
    TOPICS,
    Topic,
)

DAY_MS = 24 * 3600 * 1000
RETENTION_MS = 30 * DAY_MS
RETENTION_DAYS_MIN = 7
"""So that a fleet may be down, or a partition stand still, over a weekend and a holiday."""
REPLICAS = 3
"""How many copies of a record there are where there are brokers enough to hold them."""
IN_SYNC_MIN = 2
COMPACTED = {ENTITLEMENTS, *(topic.name for topic in INTERNAL)}
"""Topics that may be compacted: the last record of a key is enough, or the book can fill them
again."""
ASKED = (
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "message.timestamp.type",
    "min.insync.replicas",
    "max.message.bytes",
)


OFFSETS_DAYS_MIN = 30
"""As long as topics keep their records. Kafka forgets the offsets of groups that nobody is in."""
OFFSETS = "offsets.retention.minutes"


class Remark(NamedTuple):
    """What is wrong with a topic or broker, and what to do. `refuses`: no worker may start before
    it is done. `counts`: its partition count is not the fleet's, which its readers notice too."""

    topic: str
    words: str
    refuses: bool = False
    counts: bool = False

    def __str__(self) -> str:
        return f"{self.topic}: {self.words}"


def wanted(topic: Topic, brokers: int) -> dict[str, str]:
    """Return the settings for a topic that we create.

    Retention counts from the time of arrival: by a publisher's own timestamp, which may be older
    than the retention, the broker would delete an event minutes after it acknowledged it.
    """
    settings = {"retention.ms": str(RETENTION_MS), "message.timestamp.type": "LogAppendTime"}
    if topic.max_message_bytes is not None:
        settings["max.message.bytes"] = str(topic.max_message_bytes)
    if brokers >= REPLICAS:
        settings["min.insync.replicas"] = str(IN_SYNC_MIN)
    return settings


def remarks_on(
    topic: Topic, now: TopicNow, brokers: int, settings: Mapping[str, str], fleet: int
) -> list[Remark]:
    """Return what is wrong with a topic; `fleet` is the book's partition count."""
    found: list[tuple[str, bool]] = []
    counts = []
    count = topic.partition_count(fleet)
    if len(now.partitions) != count:
        words = (
            f"it has {counted(len(now.partitions), 'partition')}, and the fleet was set up with "
            f"{count}: customers are placed by that count; see the runbook, PartitionsChanged"
        )
        counts.append(Remark(topic.name, words, refuses=True, counts=True))
    if "compact" in settings.get("cleanup.policy", "") and topic.name not in COMPACTED:
        words = (
            "cleanup.policy compacts, and keeps only the last event of each customer: "
            "set it to delete, and publish again what was there"
        )
        found.append((words, True))
    in_sync = int(settings.get("min.insync.replicas", "1"))
    if in_sync > now.replicas:
        words = (
            f"min.insync.replicas is {in_sync} with {counted(now.replicas, 'replica')}: nothing "
            "can be written; add replicas, or lower it"
        )
        found.append((words, True))
    elif now.replicas < min(brokers, REPLICAS):
        words = (
            f"it has {counted(now.replicas, 'replica')} on {brokers} brokers: events are lost "
            f"with a disk; give it {min(brokers, REPLICAS)}"
        )
        found.append((words, False))
    elif now.replicas >= REPLICAS and in_sync < IN_SYNC_MIN:
        words = (
            f"min.insync.replicas is {in_sync}: one broker may acknowledge an event alone and "
            f"lose it; set it to {IN_SYNC_MIN}"
        )
        found.append((words, False))
    found += [(words, False) for words in _on_keeping(topic, settings)]
    if topic.max_message_bytes is not None:
        most = int(settings.get("max.message.bytes", DEAD_LETTER_BYTES_MAX))
        if most < topic.max_message_bytes:
            words = (
                f"max.message.bytes is {most}: a dead letter of a large record does not fit, and "
                f"stops the relay; set it to {topic.max_message_bytes}"
            )
            found.append((words, False))
    return counts + [Remark(topic.name, *each) for each in found]


def _on_keeping(topic: Topic, settings: Mapping[str, str]) -> list[str]:
    if topic in INTERNAL:
        return []
    found = []
    retention = int(settings.get("retention.ms", "-1"))
    if 0 <= retention < RETENTION_DAYS_MIN * DAY_MS:
        found.append(
            f"retention.ms is {retention / DAY_MS:.3g} days: what is not read by then is lost; "
            f"set it to {RETENTION_DAYS_MIN} days ({RETENTION_DAYS_MIN * DAY_MS}) or more"
        )
    if retention >= 0 and settings.get("message.timestamp.type") == "CreateTime":
        found.append(
            "message.timestamp.type is CreateTime: an event whose timestamp is older than the "
            "retention is deleted soon after it was acknowledged; set it to LogAppendTime"
        )
    size = int(settings.get("retention.bytes", "-1"))
    if size >= 0:
        found.append(
            f"retention.bytes is {size}: a busy day deletes what is not read yet; set it to -1"
        )
    return found


async def remarks(kafka: str, fleet: int) -> list[Remark]:
    """Return what is wrong with the topics that exist; remarks that refuse come first.

    Raises KafkaError or OSError when the broker cannot be reached.
    """
    admin = clients.admin(kafka)
    try:
        await admin.start()
        cluster = await describe(admin._client, [topic.name for topic in TOPICS])
        settings, unread = await _settings(admin, cluster)
        unread += [
            remark
            for broker, minutes in (await offsets_minutes(admin)).items()
            for remark in remarks_on_offsets(broker, minutes)
        ]
    finally:
        await admin.close()
    found = [
        remark
        for topic in TOPICS
        if (now := cluster.topics.get(topic.name)) is not None
        for remark in remarks_on(topic, now, cluster.brokers, settings.get(topic.name, {}), fleet)
    ]
    return sorted([*found, *unread], key=lambda remark: not remark.refuses)


def remarks_on_offsets(broker: str, minutes: int) -> list[Remark]:
    """Return what is wrong with how long a broker keeps the offsets of a group without members."""
    if minutes >= OFFSETS_DAYS_MIN * 24 * 60:
        return []
    words = (
        f"{OFFSETS} is {minutes} ({minutes / (24 * 60):.3g} days): a fleet that was down for "
        "longer does not notice that its book was restored; set it to a year (525600)"
    )
    return [Remark(f"broker {broker}", words)]


async def offsets_minutes(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Return `offsets.retention.minutes` by broker id, of the brokers that let us read it."""
    brokers = [str(each.nodeId) for each in admin._client.cluster.brokers()]
    asked = [ConfigResource(ConfigResourceType.BROKER, each, {OFFSETS: None}) for each in brokers]
    return {
        name: int(entry[1])
        for answer in await admin.describe_configs(asked)
        for code, _, _, name, entries in answer.resources
        for entry in entries
        if not code and entry[0] == OFFSETS and entry[1] is not None
    }


async def _settings(
    admin: AIOKafkaAdminClient, cluster: Cluster
) -> tuple[dict[str, dict[str, str]], list[Remark]]:
    """Return the settings of each topic, and a remark for each whose settings we may not read."""
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(ASKED))
        for name in cluster.topics
    ]
    found: dict[str, dict[str, str]] = {}
    unread: list[Remark] = []
    for answer in await admin.describe_configs(asked):
        for code, message, _, name, entries in answer.resources:
            if code:
                why = f"{for_code(code).__name__}: {message}"
                words = f"its settings cannot be read ({why}); allow DESCRIBE_CONFIGS on it"
                unread.append(Remark(name, words))
            else:
                found[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found, unread
