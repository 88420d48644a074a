"""The coordinator: judges ticks, lets one run of a month proceed at a time, ticks by the clock, and
measures the lag of all consumers."""

from services.coordinator.clock import Clock
from services.coordinator.runs import Runs
from services.coordinator.seal import Seals
from services.coordinator.ticks import TickJudge
from services.coordinator.watch import Watch
from shared.runtime.context import Context, Part
from shared.runtime.lag import LagWatch
from shared.runtime.loop import Loop
from shared.runtime.restored import Restored
from shared.schemas.topics import TICKS


def parts(context: Context) -> list[Part]:
    settings, database = context.settings, context.database(size=4)
    restored = Restored(context.kafka, context.health)
    runs = Runs(context.kafka, database, context.health, restored)
    Watch(runs.app, database, runs.stopping)
    Seals(runs.app, database, restored)
    Clock(runs.app, database, restored, settings.zone)
    judge = TickJudge(settings.zone, settings.buckets, runs.accepted)
    return [
        Loop(context.name, [TICKS], context.kafka, database, judge, context.health),
        runs,
        LagWatch(context.kafka, context.database(size=1)),
    ]
