"""The collector: payments and corrections."""

from shared.runtime.context import Context, Part
from shared.runtime.judge import Judge
from shared.runtime.loop import Loop
from shared.schemas.topics import PAYMENTS


def parts(context: Context) -> list[Part]:
    judge = Judge(context.settings.zone, context.settings.buckets)
    database = context.database()
    return [Loop(context.name, [PAYMENTS], context.kafka, database, judge, context.health)]
