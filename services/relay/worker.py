"""The relay: committed lines and messages leave for Kafka here, and nowhere else."""

from shared.runtime.relay import Relay
from shared.runtime.worker import Context, Part


def parts(context: Context) -> list[Part]:
    return [Relay(context.kafka, context.database(), context.health)]
