"""The notifier: ledger lines become texts to send and entitlements to enforce."""

from services.notifier.notifier import Notifier
from shared.runtime.context import Context, Part
from shared.runtime.loop import Loop
from shared.schemas.topics import LEDGER, RECHECKS


def parts(context: Context) -> list[Part]:
    topics, database = [LEDGER, RECHECKS], context.database()
    return [Loop(context.name, topics, context.kafka, database, Notifier(), context.health)]
