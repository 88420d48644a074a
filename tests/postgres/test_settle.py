"""Settling waits for each of its five steps, whatever a fleet has done by then."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import asyncpg
import pytest

from shared.ledger.postgres.documents import number_all
from shared.ledger.postgres.settling import Look
from shared.operator.settle import Ends, NotSettled, Settling
from shared.schemas.topics import LEDGER, PAYMENTS, RECHECKS, SIGNUPS, TICKS
from tests.postgres.kept import Kept, change, payment, signup

Step = Callable[[], Coroutine[Any, Any, None]]


class Fleet(Settling):
    """Settling that meets a fleet which does one thing between two looks, and then no more.

    The book is real, what workers would do is done by hand; `topics` are the ends of the topics.
    """

    def __init__(self, connection: asyncpg.Connection, *still: Step) -> None:
        super().__init__(connection, self._now, self._nothing)
        self.still = list(still)
        self.topics = {SIGNUPS: 1, PAYMENTS: 1, TICKS: 1, LEDGER: 0, RECHECKS: 0}

    async def _now(self, topics: Iterable[str]) -> Ends:
        return {(topic, 0): self.topics[topic] for topic in topics}

    async def _nothing(self) -> list[str]:
        return []

    async def _look(self) -> Look:
        if self.still:
            await self.still.pop(0)()
        return await super()._look()


@pytest.fixture
def kept(connection: asyncpg.Connection) -> Kept:
    return Kept(connection)


async def read(kept: Kept, consumer: str, topic: str, upto: int = 1) -> None:
    """Let a consumer be this far in a topic."""
    await kept.connection.execute(
        "INSERT INTO book.position VALUES ($1, $2, 0, $3)"
        " ON CONFLICT (consumer, topic, partition) DO UPDATE SET next_offset = $3",
        consumer, topic, upto,
    )  # fmt: skip


async def relay(kept: Kept, stream: str) -> None:
    """Let the relay have published a stream up to its last row."""
    await kept.connection.execute(
        "UPDATE book.relay SET position = coalesce("
        f"(SELECT max(position) FROM book.{stream} AS row WHERE row.bucket = relay.bucket), 0)"
        " WHERE stream = $1",
        stream,
    )


async def notice(kept: Kept) -> None:
    """Let the notifier write something that leaves."""
    await kept.connection.execute(
        "INSERT INTO book.entitlement VALUES ('rahim', NULL, 'active', 1, 1, 0,"
        " nextval('book.entitlement_position'), now()) ON CONFLICT (customer_id)"
        " DO UPDATE SET position = excluded.position"
    )


class Day:
    """A signup, a payment and a tick from their topics to the last text that leaves, in steps."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.fleet = Fleet(
            kept.connection,
            self.generator,
            self.collector,
            self.coordinator,
            self.out_while_the_run_works,
            self.told_while_the_run_works,
            self.run_done,
            self.lines_out,
            self.rechecks_out,
            self.lines_told,
            self.rechecks_told,
            self.notices_out,
            self.documents_numbered,
        )

    async def generator(self) -> None:
        await self.kept.tell(signup("rahim", "2026-01-17"))
        await read(self.kept, "generator", SIGNUPS)

    async def collector(self) -> None:
        await self.kept.tell(payment("p-1", "rahim", "200.00", "2026-01-20"))
        await read(self.kept, "collector", PAYMENTS)

    async def coordinator(self) -> None:
        await self.kept.connection.execute(
            "INSERT INTO book.run (tick_id, period, as_of, trigger)"
            " VALUES ('t', '2026-02', '2026-02-01', 'nightly')"
        )
        await read(self.kept, "coordinator", TICKS)

    async def out_while_the_run_works(self) -> None:
        await relay(self.kept, "line")
        await relay(self.kept, "outgoing")
        self.fleet.topics |= {LEDGER: 2, RECHECKS: 1}

    async def told_while_the_run_works(self) -> None:
        await read(self.kept, "notifier", LEDGER, 2)
        await read(self.kept, "notifier", RECHECKS, 1)

    async def run_done(self) -> None:
        await self.kept.tick("2026-02-01")
        await self.kept.tell(change("h-1", "rahim", "2026-02-01", "2026-02-01", vip=True))
        await self.kept.connection.execute("UPDATE book.run SET finished_at = '2026-02-01'")

    async def lines_out(self) -> None:
        await relay(self.kept, "line")
        self.fleet.topics[LEDGER] = 3

    async def rechecks_out(self) -> None:
        await relay(self.kept, "outgoing")
        self.fleet.topics[RECHECKS] = 2

    async def lines_told(self) -> None:
        await notice(self.kept)
        await read(self.kept, "notifier", LEDGER, 3)

    async def rechecks_told(self) -> None:
        await notice(self.kept)
        await read(self.kept, "notifier", RECHECKS, 2)

    async def notices_out(self) -> None:
        await relay(self.kept, "entitlement")

    async def documents_numbered(self) -> None:
        await number_all(self.kept.connection)


async def test_settling_ends_when_the_last_notice_is_out_and_no_step_sooner(kept: Kept) -> None:
    fleet = Day(kept).fleet

    await fleet.run(60)

    assert [step.__name__ for step in fleet.still] == [], "settling did not wait for these"


async def test_what_comes_after_a_cut_is_not_waited_for(kept: Kept) -> None:
    """A busy fleet: while the notifier tells, more is published, signed up and asked to run."""

    async def read_all() -> None:
        for consumer, topic in (
            ("generator", SIGNUPS),
            ("collector", PAYMENTS),
            ("coordinator", TICKS),
        ):
            await read(kept, consumer, topic)

    async def more() -> None:
        fleet.topics |= {SIGNUPS: 9, PAYMENTS: 9, TICKS: 9}
        await kept.connection.execute(
            "INSERT INTO book.run (tick_id, period, as_of, trigger)"
            " VALUES ('later', '2026-02', '2026-02-01', 'nightly')"
        )

    fleet = Fleet(kept.connection, read_all, more)

    await fleet.run(60)


@pytest.mark.parametrize(
    ("worker", "topic"),
    [
        ("generator", SIGNUPS),
        ("collector", PAYMENTS),
        ("coordinator", TICKS),
        ("notifier", LEDGER),
        ("notifier", RECHECKS),
    ],
)
async def test_without_a_worker_it_does_not_settle_and_says_whose_records_wait(
    kept: Kept, worker: str, topic: str
) -> None:
    fleet = Fleet(kept.connection)
    fleet.topics = dict.fromkeys(fleet.topics, 0) | {topic: 3}

    with pytest.raises(NotSettled) as stopped:
        await fleet.run(0.2)

    assert stopped.value.missing == [f"the {worker} has 3 records of {topic} before it"]
