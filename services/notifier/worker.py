"""The notifier: turns ledger lines into texts to send and entitlements to enforce."""

from functools import partial

from services.notifier.notifier import Notifier
from shared.kafka.buckets import bucket_of
from shared.runtime.context import Context, Part
from shared.runtime.loop import Loop
from shared.schemas.topics import LEDGER, RECHECKS


def parts(context: Context) -> list[Part]:
    topics, database = [LEDGER, RECHECKS], context.database()
    notifier = Notifier(partial(bucket_of, buckets=context.settings.buckets))
    return [Loop(context.name, topics, context.kafka, database, notifier, context.health)]
