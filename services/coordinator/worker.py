"""The coordinator: judges ticks, lets one run a month at a time, keeps the clock, and tells the
lag of all consumers."""

from services.coordinator.runs import Runs
from services.coordinator.ticks import TickJudge
from shared.runtime.lag import LagWatch
from shared.runtime.loop import Loop
from shared.runtime.worker import Context, Part
from shared.schemas.topics import TICKS


def parts(context: Context) -> list[Part]:
    settings, database = context.settings, context.database(size=4)
    runs = Runs(context.kafka, database, context.health, settings.zone)
    judge = TickJudge(settings.zone, runs.accepted)
    return [
        Loop("coordinator", [TICKS], context.kafka, database, judge, context.health),
        runs,
        LagWatch(context.kafka, settings.partitions, context.database(size=1)),
    ]
