"""Judges ticks: an accepted tick moves the business date and makes a run."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka import ConsumerRecord

from shared.kafka.buckets import bucket_of_key
from shared.ledger.commands import Ticked
from shared.ledger.decide import judge_tick
from shared.ledger.fold import Seen
from shared.ledger.policy.policy import NO_POLICY
from shared.ledger.postgres import conflicts, fleet, outgoing, runs
from shared.ledger.postgres.appending import Last
from shared.ledger.postgres.folding import Policies, open_fold
from shared.ledger.postgres.locks import lock_buckets, lock_fleet
from shared.ledger.postgres.save import COMMAND, insert
from shared.ledger.reasons import FirstOutcome, Outcome
from shared.runtime import inbox, metrics, outbox
from shared.runtime.committing import Observe
from shared.schemas.topics import TICKS

log = logging.getLogger(__name__)


class TickJudge:
    """The handler of the tick topic; `accepted` is called with (period, tick id) after commit."""

    def __init__(self, zone: ZoneInfo, buckets: int, accepted: Callable[[str, str], None]) -> None:
        self._zone = zone
        self._bucket_of_key = partial(bucket_of_key, buckets=buckets)
        self._accepted = accepted
        self._policies = Policies()

    async def __call__(
        self,
        connection: asyncpg.Connection,
        records: Sequence[ConsumerRecord],
        _: Last | None = None,
    ) -> Observe:
        inbounds, to_publish = inbox.read(records, self._zone)
        outcomes = Counter(malformed=len(to_publish))
        business_date = await lock_fleet(connection)
        periods = [inbound.command.period for inbound in inbounds]
        bucket_of = {period: self._bucket_of_key(period.encode()) for period in periods}
        letters = [self._bucket_of_key(key) for _, key, *_ in to_publish]
        await lock_buckets(connection, [*bucket_of.values(), *letters])
        ids = [inbound.command.command_id for inbound in inbounds]
        fold = await open_fold(connection, self._policies, ids)
        at = fold.world.recorded_at
        judged, clashes, accepted = [], [], []
        for inbound in inbounds:
            tick = inbound.command
            assert isinstance(tick, Ticked)
            event = (inbound.type, inbound.content, inbound.ce_id, inbound.ce_source)
            seen = fold.seen.get(tick.command_id)
            if seen is None:
                reason = judge_tick(tick, business_date, inbound.sent_on)
                first: FirstOutcome = "refused" if reason else "accepted"
                seen = Seen(inbound.type, inbound.content, first, reason)
                fold.seen[tick.command_id] = seen
                outcome: Outcome = first
                bucket = bucket_of[tick.period]
                judged.append((tick.command_id, None, *event, outcome, reason, at, bucket))
                if reason:
                    to_publish.append(outbox.refusal(inbound, tick.period, reason, None, at))
                else:
                    business_date = max(business_date or tick.as_of, tick.as_of)
                    accepted.append(
                        runs.NewRun(tick.tick_id, tick.period, tick.as_of, tick.trigger)
                    )
            elif seen[:2] == (inbound.type, inbound.content):
                outcome = "duplicate"
            else:
                outcome = "conflict"
                clashes.append((tick.command_id, None, *event, bucket_of[tick.period]))
                to_publish.append(
                    outbox.refusal(inbound, tick.period, "conflicting_duplicate", seen, at)
                )
            outcomes[outcome] += 1
        await insert(connection, "command", COMMAND, judged)
        await conflicts.keep(connection, clashes, at)
        await runs.add(connection, accepted)
        if accepted and business_date is not None:
            await fleet.move_business_date(connection, business_date)
        await outgoing.put(connection, to_publish, self._bucket_of_key)
        bare = fold.world.policy.version == NO_POLICY.version
        return partial(self._observe, outcomes, accepted, bare)

    def _observe(self, outcomes: Counter[str], accepted: Sequence[runs.NewRun], bare: bool) -> None:
        for outcome, count in outcomes.items():
            metrics.EVENTS.labels(TICKS, "billing.tick.v1", outcome).inc(count)
        metrics.DEAD_LETTERS.labels(TICKS).inc(outcomes["malformed"])
        for run in accepted:
            if bare:  # docs/policy.md#versions
                log.warning(
                    "run %s: no policy was ever applied, so its bills have no tax", run.tick_id
                )
            self._accepted(run.period, run.tick_id)

    async def set_apart(
        self, connection: asyncpg.Connection, record: ConsumerRecord, error: Exception
    ) -> Observe:
        """A tick concerns everyone, so none may be set apart: raise, and the worker ends."""
        raise error
