"""The relay: the only worker that publishes committed lines and messages to Kafka."""

from shared.runtime.context import Context, Part
from shared.runtime.relay import Relay


def parts(context: Context) -> list[Part]:
    return [Relay(context.kafka, context.database(), context.health)]
