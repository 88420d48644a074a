"""The generator: opens and changes accounts, and bills the pages of runs."""

from services.generator.pages import Pages
from shared.runtime.context import Context, Part
from shared.runtime.judge import Judge
from shared.runtime.loop import Loop
from shared.schemas.topics import SIGNUPS


def parts(context: Context) -> list[Part]:
    judge = Judge(context.settings.zone, context.settings.buckets)
    database = context.database(size=4)
    return [
        Loop(context.name, [SIGNUPS], context.kafka, database, judge, context.health),
        Pages(context.kafka, database, judge, context.health),
    ]
