"""The relay: the only worker that publishes committed lines and messages to Kafka; it numbers their
documents too."""

from shared.runtime.context import Context, Part
from shared.runtime.numbering import Numbering
from shared.runtime.relay import Relay


def parts(context: Context) -> list[Part]:
    return [
        Relay(context.kafka, context.database(), context.health),
        Numbering(context.kafka, context.database(), context.health),
    ]
