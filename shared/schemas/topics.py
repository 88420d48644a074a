"""The topics: their names, how many partitions each has, and which event types it carries.

Topics are created once, with these counts, never by auto-creation: a customer's partition is their
bucket modulo the count. Only `rollforward partitions` changes it, for all topics together.
"""

from typing import NamedTuple

MAX_VALUE_BYTES = 256 * 1024
"""A larger value is malformed ("oversized")."""

PARTITIONS = 12
"""The default partition count, for topics without one of their own."""

DEAD_LETTER_BYTES_MAX = 4 * 1024 * 1024
"""The largest record of a dead-letter topic: above any record that a broker takes by default
(1 MiB), because a dead letter holds the whole original and some more headers. An original that was
compressed is compressed here too."""

SIGNUPS = "billing.signups.v1"
PAYMENTS = "billing.payments.v1"
TICKS = "billing.ticks.v1"
LEDGER = "billing.ledger.v1"
REFUSALS = "billing.refusals.v1"
NOTIFICATIONS = "billing.notifications.v1"
ENTITLEMENTS = "billing.entitlements.v1"
RUNS = "billing.runs.v1"
PAGES = "billing.pages.v1"
RECHECKS = "billing.rechecks.v1"


class Topic(NamedTuple):
    """One topic; `partitions` None means the fleet's count, `types` are the events it carries."""

    name: str
    types: tuple[str, ...] = ()
    partitions: int | None = None
    max_message_bytes: int | None = None

    def partition_count(self, fleet: int = PARTITIONS) -> int:
        return fleet if self.partitions is None else self.partitions


INBOUND = (
    Topic(SIGNUPS, ("billing.customer.signed_up.v1", "billing.customer.changed.v1")),
    Topic(
        PAYMENTS,
        (
            "billing.payment.received.v1",
            "billing.discount.granted.v1",
            "billing.adjustment.made.v1",
            "billing.refund.made.v1",
            "billing.cancellation.requested.v1",
            "billing.bill_up_to.set.v1",
            "billing.rebill.requested.v1",
        ),
    ),
    # One partition, so that the business date has one order (docs/rules.md#business-date).
    Topic(TICKS, ("billing.tick.v1",), partitions=1),
)

OUTBOUND = (
    Topic(LEDGER, ("billing.ledger.line_appended.v1",)),
    Topic(REFUSALS, ("billing.command.refused.v1",)),
    Topic(NOTIFICATIONS, ("billing.notification.requested.v1",)),
    Topic(ENTITLEMENTS, ("billing.entitlement.changed.v1",)),
)

INTERNAL = (
    # The key is the period, so one agent handles the runs of a month one after another.
    Topic(RUNS, partitions=1),
    Topic(PAGES),
    Topic(RECHECKS),
)


def dead_letters_of(topic: str) -> str:
    """Return the dead-letter topic of a topic: `billing.payments.v1.dlq`."""
    return f"{topic}.dlq"


# One partition: dead letters are few, and people read them in order.
DEAD_LETTERS = tuple(
    Topic(
        dead_letters_of(topic.name),
        topic.types,
        partitions=1,
        max_message_bytes=DEAD_LETTER_BYTES_MAX,
    )
    for topic in INBOUND
)

TOPICS = INBOUND + OUTBOUND + INTERNAL + DEAD_LETTERS

TOPIC_OF_TYPE = {name: topic.name for topic in INBOUND + OUTBOUND for name in topic.types}
"""Each event type, in and out, travels on exactly one topic."""
