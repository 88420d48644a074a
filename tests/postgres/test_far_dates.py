"""What PostgreSQL hands out of an account decides as the whole account does, however far from its
periods a date is: `reach`, periods.sql and postings_since.sql together."""

import asyncpg
import pytest

from shared.ledger.account import NEVER
from shared.ledger.commands import Ticked
from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy
from shared.ledger.postgres import reports
from tests.postgres.kept import Kept
from tests.support.events import event_of, toml_of
from tests.support.far import far
from tests.support.playing import books, play

SEEDS = (8, 10, 29, 32)
"""Histories in which a limit is passed where the postings of the last period are not loaded."""
SIZE = 60


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_book_decides_as_whole_accounts_do_far_from_its_periods(
    connection: asyncpg.Connection, seed: int
) -> None:
    kept, steps = Kept(connection), far(seed, SIZE).history.steps

    for step in steps:
        if isinstance(step, Policy):
            await kept.policy(toml_of(step))
        elif isinstance(step, Ticked):
            said = {"tick_id": step.tick_id, "period": step.period, "allow_gap": step.allow_gap}
            await kept.tick(str(step.as_of), trigger=step.trigger, **said)
        else:
            await kept.tell(event_of(step))

    rules = play(steps)
    rows = await connection.fetch(
        "SELECT command_id, outcome, reason FROM book.command WHERE customer_id IS NOT NULL"
    )
    judged = {
        command_id: (outcome.kind, outcome.reason)
        for command_id, outcome in rules.outcomes.items()
        if outcome.kind != "parked" and not command_id.startswith("tick/")
    }
    assert {row[0]: (row[1], row[2]) for row in rows} == judged
    for customer_id, lines in books(rules).items():
        stored = await reports.lines_of(connection, customer_id)
        assert list(map(_bare, stored)) == lines


def _bare(line: Line) -> Line:
    return line._replace(recorded_at=NEVER, hash=b"")
