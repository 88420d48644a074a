"""The five mechanisms that hold exactly-once (ARCHITECTURE.md), each taken away on purpose.

    make chaos SEED=4 WITHOUT=outbox

A run must then fail: a suite that passes without a mechanism does not test it.
"""

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncpg

from shared.ledger.postgres import positions, statements
from shared.ledger.postgres.appending import Last
from shared.ledger.postgres.positions import Partition
from shared.runtime.settings import Settings

MECHANISMS = ("period-lock", "customer-lock", "constraints", "position", "outbox")

PERIOD_CLAIMED = "DROP INDEX book.run_period_claimed"
CONSTRAINTS = """
ALTER TABLE book.line DROP CONSTRAINT line_pkey, DROP CONSTRAINT line_revision,
    DROP CONSTRAINT line_rolls_forward;
ALTER TABLE book.command DROP CONSTRAINT command_pkey;
CREATE INDEX ON book.line (customer_id, seq);
CREATE INDEX ON book.line (customer_id, period, revision);
CREATE INDEX ON book.command (command_id);
CREATE OR REPLACE FUNCTION book.check_chain() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RETURN NULL; END';
"""
STATEMENTS = {
    # Any number of runs of a month may be at work at once.
    "period-lock": {
        "claim_run": (r"\n    AND NOT EXISTS \(.*?\n    \)", ""),
        "waiting_periods": (r"\n    AND NOT EXISTS \(.*?\n    \)", ""),
    },
    # Nobody waits for anybody before he reads a customer.
    "customer-lock": {"lock_buckets": (r"book\.lock\((.*)\);", r"\1")},
    # The relay has one cursor for all buckets of a stream: in which no order of commits holds.
    "outbox": {"relay_move": (r"relay\.bucket = moved\.bucket", "relay.position < moved.position")},
}


def take_from_worker(name: str, settings: Settings) -> None:
    """Take a mechanism away from this process."""
    if name in STATEMENTS:
        _reword(STATEMENTS[name])
    elif name == "position":
        _move_positions_apart(settings)


async def take_from_book(name: str, connection: asyncpg.Connection) -> None:
    """Take what of a mechanism is in the database away from it. The book counts as migrated by a
    later release (scene.py), so workers take it as it is."""
    if name == "period-lock":
        await connection.execute(PERIOD_CLAIMED)
    if name == "constraints":
        await connection.execute(CONSTRAINTS)


def _reword(changes: Mapping[str, tuple[str, str]]) -> None:
    """Let some statements of the house read otherwise."""

    class Folder:
        def joinpath(self, _: str, name: str) -> "Folder":
            self.name = name
            return self

        def read_text(self, _: str) -> str:
            path = Path(str(files("shared.ledger.postgres"))) / "sql" / self.name
            text = path.read_text("utf-8")
            if path.stem not in changes:
                return text
            changed = re.sub(*changes[path.stem], text, count=1, flags=re.DOTALL)
            assert changed != text, f"{self.name} reads otherwise by now"
            return changed

    changed_files: Any = lambda _: Folder()  # noqa: E731
    statements.files = changed_files  # type: ignore[attr-defined]
    statements.sql.cache_clear()


def _move_positions_apart(settings: Settings) -> None:
    """Let the position move in a transaction of its own, from wherever it is."""
    apart: list[asyncpg.Connection] = []

    async def advance(
        connection: Any,
        consumer: str,
        moves: Mapping[Partition, tuple[int, int]],
        _ids: Any,
        last: Last | None = None,
    ) -> None:
        for rows in last.left if last else ():
            await connection.execute(rows.statement(), *rows.parameters)
        if not apart or apart[0].is_closed():
            apart[:] = [await asyncpg.connect(settings.database_url)]
        for (topic, number), (_from, to) in moves.items():
            await apart[0].execute(
                "UPDATE book.position SET next_offset = $4"
                " WHERE consumer = $1 AND topic = $2 AND partition = $3",
                consumer, topic, number, to,
            )  # fmt: skip

    advanced: Callable[..., Any] = advance
    positions.advance = advanced
