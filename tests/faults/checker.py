"""What must be true after a chaos run, however it went; and what must have happened in it.

The history is read back from Kafka, as the workers were given it. Every customer is held against
the naive model (`orders.py`), everything that leaves against the book.
"""

from collections import Counter, defaultdict
from datetime import date
from typing import Any

import asyncpg

from shared.ledger.commands import Ticked
from shared.ledger.money import minor
from shared.ledger.policy.policy import Policy
from shared.operator.verify import verify
from shared.runtime.positions import CONSUMER_OF
from shared.schemas.topics import INBOUND, TICKS
from tests.faults.kept import Came, Kept, Verdict, kept_of
from tests.faults.load import Load
from tests.faults.orders import Case, disagreement
from tests.faults.told import what_leaves_agrees
from tests.support.naive import PARKED, Naive, Outcome
from tests.support.naive_account import Line

AMOUNTS = ("previous_due", "charge", "discount", "vat", "billed", "paid", "due")
CASCADE_PERIODS = 3


async def judge(load: Load, policy: Policy, url: str, kafka: str) -> Verdict:
    """Judge a run after all has settled."""
    verdict = Verdict()
    connection = await asyncpg.connect(url)
    try:
        kept = await kept_of(connection, kafka, load)
        _published_is_kept(verdict, kept, load)
        ticks = _ticks_agree(verdict, kept)
        _customers_agree(verdict, kept, load, policy, ticks)
        await what_leaves_agrees(verdict, kept, load, connection)
        await _book_is_sound(verdict, kept, connection, url)
    finally:
        await connection.close()
    _count(verdict, kept)
    return verdict


# What must be true --------------------------------------------------------------------------


def _published_is_kept(verdict: Verdict, kept: Kept, load: Load) -> None:
    """Kafka kept what was published, each key in its order."""
    published, found = defaultdict(list), defaultdict(list)
    for name, key, value, _ in load.published.messages:
        published[name, key].append(value)
    for topic in INBOUND:
        for record in kept.records[topic.name]:
            if not record.value.startswith(b'{"tick_id":"clock-'):
                found[topic.name, record.key].append(record.value)
    verdict.expect("published and kept", dict(found), dict(published))


def _ticks_agree(verdict: Verdict, kept: Kept) -> list[date]:
    """Return the days of the accepted ticks, in their order."""
    model, days = Naive(), []
    for _, tick, content in kept.events[TICKS]:
        assert isinstance(tick, Ticked)
        seen = tick.command_id in model.contents
        if model.apply(tick, content).kind == "accepted" and not seen:
            days.append(tick.as_of)
    found = {
        command_id: outcome
        for command_id, (_, outcome) in kept.outcomes.items()
        if command_id.startswith("tick/")
    }
    verdict.expect("outcomes of ticks", found, model.outcomes)
    return days


def _customers_agree(
    verdict: Verdict, kept: Kept, load: Load, policy: Policy, ticks: list[date]
) -> None:
    """Each customer has one outcome a command, and the lines that some promised order makes."""
    topics = [topic.name for topic in INBOUND if topic.name != TICKS]
    events: dict[str, list[list[Came]]] = defaultdict(lambda: [[] for _ in topics])
    for number, topic in enumerate(topics):
        for came in kept.events[topic]:
            events[came.command.customer_id][number].append(came)
    lines: dict[str, list[Line]] = defaultdict(list)
    outcomes: dict[str, dict[str, Outcome]] = defaultdict(dict)
    for line in kept.lines:
        lines[line["customer_id"]].append(_line(line))
    for command_id, (customer_id, outcome) in kept.outcomes.items():
        if customer_id is not None:
            outcomes[customer_id][command_id] = outcome
    verdict.expect("customers with outcomes", set(outcomes), set(events))
    losers = _losers(verdict, kept, load)
    for customer_id, streams in sorted(events.items()):
        said = {k: v for k, v in outcomes[customer_id].items() if k not in losers}
        wanted = [
            [
                (came.command, came.content)
                for came in stream
                if came.command.command_id not in losers
            ]
            for stream in streams
        ]
        case = Case(customer_id, wanted, ticks, lines[customer_id], said, kept.judged)
        told = disagreement(case, policy)
        if told is not None:
            verdict.wrong.append(f"{customer_id} has no order that agrees: {told}")


def _losers(verdict: Verdict, kept: Kept, load: Load) -> set[str]:
    """Return the commands refused for a reference or a username that another customer has."""
    nothing = (None, Outcome("nothing"))
    losers = set()
    for pair in load.clashes:
        found = {each: kept.outcomes.get(each, nothing)[1] for each in pair}
        kinds = sorted(outcome.kind for outcome in found.values())
        if kinds not in (["accepted", "refused"], ["accepted", "parked"], ["parked", "parked"]):
            verdict.wrong.append(f"of two commands that want one name: {found}")
        losers |= {
            each
            for each, outcome in found.items()
            if outcome.reason in ("reference_already_used", "username_taken")
        }
    return losers


def _line(row: Any) -> Line:
    values = (minor(str(row[name])) if name in AMOUNTS else row[name] for name in Line._fields)
    return Line._make(values)


async def _book_is_sound(
    verdict: Verdict, kept: Kept, connection: asyncpg.Connection, url: str
) -> None:
    figures = dict(await connection.fetchrow("SELECT * FROM report.reconciliation"))
    verdict.expect("reconciliation", {k: v for k, v in figures.items() if v}, {})
    verified = await verify(connection, url, lambda _done, _all: None)
    verdict.expect("verify", (verified.fault, verified.seal), (None, None))
    quarantined = await connection.fetch("SELECT customer_id, reason FROM report.quarantine")
    verdict.expect("quarantined", [tuple(row) for row in quarantined], [])
    running = await connection.fetch("SELECT tick_id FROM report.run WHERE status <> 'done'")
    verdict.expect("runs not done", [row["tick_id"] for row in running], [])
    met = await connection.fetch("SELECT period, tick_id, other FROM chaos.met_run")
    verdict.expect("runs of one month at once", [tuple(row) for row in met], [])
    positions = await connection.fetch(
        "SELECT consumer, topic, partition, next_offset FROM book.position"
    )
    found = {(consumer, t, p): offset for consumer, t, p, offset in positions}
    wanted = {
        (CONSUMER_OF[topic], topic, number): end
        for (topic, number), end in kept.ends.items()
        if topic in CONSUMER_OF
    }
    verdict.expect("positions", {k: found.get(k, 0) for k in wanted}, wanted)
    backwards: list[tuple[str, int]] = []
    before: dict[str, Any] = {}
    for line in kept.lines:
        if line["recorded_at"] < before.get(line["customer_id"], line["recorded_at"]):
            backwards.append((line["customer_id"], line["seq"]))
        before[line["customer_id"]] = line["recorded_at"]
    verdict.expect("lines recorded before the one before", backwards, [])


# What must have happened ------------------------------------------------------------------------


def _count(verdict: Verdict, kept: Kept) -> None:
    """Count what a run that is worth its time must have met."""
    touched: dict[str, set[str]] = defaultdict(set)
    for line in kept.lines:
        if not line["command_id"].startswith("bill/"):
            touched[line["command_id"]].add(line["period"])
    cascades = [command for command, periods in touched.items() if len(periods) > CASCADE_PERIODS]
    parked = [outcome for _, outcome in kept.outcomes.values() if outcome == PARKED]
    verdict.met |= Counter(
        lines=len(kept.lines),
        commands=len(kept.outcomes),
        cascades=len(cascades),
        parked=len(parked),
    )
