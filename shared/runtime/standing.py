"""Reports why partitions stand still: in /readyz, as a metric, and once in the log."""

import logging
from collections.abc import Collection, Mapping

from aiokafka import TopicPartition

from shared.ledger.postgres.positions import Partition
from shared.runtime import metrics
from shared.runtime.health import Health
from shared.runtime.positions import WHOLE, grouped, with_advice

log = logging.getLogger(__name__)


class Standing:
    """The partitions of one consumer group that stand still, as far as this worker sees."""

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
        """Report which partitions stand still now, and which ones no longer do."""
        before, now = grouped(self._reasons), grouped(reasons)
        for cause in before.keys() - now.keys():
            self._health.good(cause)
            log.warning("%s: %s is read again", self._consumer, cause)
        for cause, why in now.items():
            if before.get(cause) != why:
                log.error("%s: %s stands still: %s", self._consumer, cause, with_advice(why))
            self._health.bad(cause, with_advice(why), person=True)
        for partition in self._reasons.keys() | reasons.keys():
            _gauge(partition, partition in reasons)
        self._reasons = dict(reasons)

    def forget(self, revoked: Collection[TopicPartition]) -> None:
        """Stop reporting partitions that another worker has now."""
        self.show({each: why for each, why in self._reasons.items() if each not in revoked})


def _gauge(partition: Partition, value: bool) -> None:
    topic, number = partition
    label = "all" if number == WHOLE else str(number)
    metrics.STANDS_STILL.labels(topic, label).set(value)
