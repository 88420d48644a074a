"""Ticks judged for good: the business date moves, and every accepted tick leaves a run."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka import ConsumerRecord

from shared.ledger.account import World
from shared.ledger.commands import Ticked
from shared.ledger.decide import Seen, judge_tick
from shared.ledger.postgres import book
from shared.ledger.postgres.statements import sql
from shared.runtime import metrics, outbox
from shared.runtime.loop import Observe
from shared.schemas.codec import Inbound, decode
from shared.schemas.malformed import Malformed
from shared.schemas.outbound import CommandRefused, command_refused
from shared.schemas.topics import TICKS

log = logging.getLogger(__name__)

COMMAND = ("command_id", "customer_id", "type", "content", "outcome", "reason", "recorded_at")


class TickJudge:
    """The handler of the tick topic; `accepted` is called with (period, tick id) after commit."""

    def __init__(self, zone: ZoneInfo, accepted: Callable[[str, str], None]) -> None:
        self._zone = zone
        self._accepted = accepted
        self._policies = book.Policies()

    async def __call__(
        self, connection: asyncpg.Connection, records: Sequence[ConsumerRecord]
    ) -> Observe:
        business_date = await connection.fetchval(sql("lock_fleet"))
        world = await book.world_of(connection, self._policies)
        told, outcomes, runs = [], Counter[str](), []
        for record in records:
            try:
                inbound = decode(record.topic, record.key, record.value, record.headers, self._zone)
            except Malformed as malformed:
                told.append(outbox.dead_letter(record, str(malformed)))
                outcomes["malformed"] += 1
                continue
            tick = inbound.command
            assert isinstance(tick, Ticked)
            seen = await self._seen(connection, tick.command_id)
            if seen is not None:
                same = seen[:2] == (inbound.type, inbound.content)
                outcomes["duplicate" if same else "conflict"] += 1
                if not same:
                    told.append(_refusal(inbound, tick, "conflicting_duplicate", seen, world))
                continue
            reason = judge_tick(tick, business_date)
            outcome = "accepted" if reason is None else "refused"
            outcomes[outcome] += 1
            await book.insert(
                connection,
                "command",
                COMMAND,
                [
                    (tick.command_id, None, inbound.type, inbound.content, outcome, reason,
                     world.recorded_at)
                ],
            )  # fmt: skip
            if reason is not None:
                told.append(_refusal(inbound, tick, reason, None, world))
                continue
            await connection.execute(sql("set_business_date"), tick.as_of)
            business_date = max(business_date or tick.as_of, tick.as_of)
            await connection.execute(
                sql("add_run"), tick.tick_id, tick.period, tick.as_of, tick.trigger
            )
            runs.append((tick.period, tick.tick_id))
        await outbox.put(connection, told)
        return partial(self._observe, outcomes, runs)

    async def _seen(self, connection: asyncpg.Connection, command_id: str) -> Seen | None:
        rows = await connection.fetch(sql("seen_commands"), [command_id])
        return Seen(*rows[0][1:]) if rows else None

    def _observe(self, outcomes: Counter[str], runs: Sequence[tuple[str, str]]) -> None:
        for outcome, count in outcomes.items():
            metrics.EVENTS.labels(TICKS, "billing.tick.v1", outcome).inc(count)
        metrics.DEAD_LETTERS.labels(TICKS).inc(outcomes["malformed"])
        for period, tick_id in runs:
            self._accepted(period, tick_id)

    async def set_apart(
        self, connection: asyncpg.Connection, record: ConsumerRecord, error: Exception
    ) -> Observe:
        """A tick is the whole fleet's: none may be set apart. The partition stands still."""
        raise error


def _refusal(
    inbound: Inbound, tick: Ticked, reason: str, seen: Seen | None, world: World
) -> outbox.Row:
    told = CommandRefused(
        command_id=tick.command_id,
        customer_id=None,
        command_type=inbound.type,
        reason=reason,
        first_outcome=seen.outcome if seen else None,  # type: ignore[arg-type]
        first_reason=seen.reason if seen else None,
        event_id=inbound.ce_id,
        event_source=inbound.ce_source,
    )
    message = command_refused(told, tick.period, inbound.content, world.recorded_at)
    return outbox.row_of(message)
