"""Says of partitions that stand still why they do: in /readyz, a metric, and once in the log."""

import logging
from collections.abc import Collection, Mapping

from aiokafka import TopicPartition

from shared.ledger.postgres.book import Partition
from shared.runtime import metrics
from shared.runtime.health import Health
from shared.runtime.positions import HOW, WHOLE

log = logging.getLogger(__name__)


class Standing:
    """What stands still of one consumer group, as far as this worker sees."""

    def __init__(self, consumer: str, health: Health) -> None:
        self._consumer = consumer
        self._health = health
        self._reasons: Mapping[Partition, str] = {}

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def covers(self, partition: Partition) -> bool:
        """Whether a partition stands still, by itself or with all of its topic."""
        return partition in self._reasons or (partition[0], WHOLE) in self._reasons

    def show(self, reasons: Mapping[Partition, str]) -> None:
        """Say which partitions stand still now; those that did and do not any more are good."""
        for gone in self._reasons.keys() - reasons.keys():
            self._health.good(name(gone))
            _gauge(gone, 0)
            log.warning("%s: %s goes on", self._consumer, name(gone))
        for partition, why in reasons.items():
            if self._reasons.get(partition) != why:
                log.error("%s: %s stands still: %s; %s", self._consumer, name(partition), why, HOW)
            self._health.bad(name(partition), f"{why}; {HOW}", person=True)
            _gauge(partition, 1)
        self._reasons = dict(reasons)

    def forget(self, revoked: Collection[TopicPartition]) -> None:
        """Another worker has these partitions now, and says it."""
        for partition in revoked:
            if partition in self._reasons:
                self._health.good(name(partition))
                _gauge(partition, 0)
        self._reasons = {each: why for each, why in self._reasons.items() if each not in revoked}


def name(partition: Partition) -> str:
    """Return how a partition is called in /readyz and the log: `billing.payments.v1-3`."""
    topic, number = partition
    return topic if number == WHOLE else f"{topic}-{number}"


def _gauge(partition: Partition, value: int) -> None:
    topic, number = partition
    label = "all" if number == WHOLE else str(number)
    metrics.STANDS_STILL.labels(topic, label).set(value)
