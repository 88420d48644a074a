"""The relay: committed lines and messages leave for Kafka here, and nowhere else."""

from shared.runtime.context import Context, Part
from shared.runtime.relay import Relay


def parts(context: Context) -> list[Part]:
    return [Relay(context.kafka, context.database(), context.health)]
