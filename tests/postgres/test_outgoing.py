"""What the relay finds behind its cursors: all of it, in order, whatever else is being written."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.ledger.postgres import outgoing
from shared.ledger.postgres.outgoing import LINE
from shared.runtime.relay import STREAMS
from tests.conftest import BUCKETS
from tests.postgres.booked import bucket
from tests.postgres.kept import Kept, payment, signup

ALL = [(stream, of) for stream in STREAMS for of in range(BUCKETS)]
ROWS = 1000
LEASE = "60s"


@pytest.fixture
async def other(database: str) -> AsyncIterator[Kept]:
    connection = await asyncpg.connect(database)
    yield Kept(connection)
    await connection.close()


@pytest.fixture
def kept(connection: asyncpg.Connection) -> Kept:
    return Kept(connection)


async def published(kept: Kept) -> list[tuple[str, int]]:
    """Publish the lines that wait, and return them as (customer, seq)."""
    async with kept.connection.transaction():
        cursors = await outgoing.take(kept.connection, ALL, LEASE)
        lines = await outgoing.next_lines(kept.connection, cursors, ROWS)
        await outgoing.move(kept.connection, cursors, {LINE: lines})
    return [(each.line.customer_id, each.line.seq) for each in lines]


async def test_a_line_that_is_committed_after_later_ones_is_not_passed_over(
    kept: Kept, other: Kept
) -> None:
    await kept.tell(signup("rahim", "2026-01-01"), signup("karim", "2026-01-01"))
    assert bucket("rahim") != bucket("karim")
    await published(kept)

    async with other.connection.transaction():
        await other.tell(payment("p-1", "rahim", "1.00", "2026-01-02"))
        await kept.tell(payment("p-2", "karim", "1.00", "2026-01-02"))
        assert await published(kept) == [("karim", 2)]
    places = await kept.connection.fetch("SELECT customer_id FROM book.line ORDER BY position DESC")
    assert places[0][0] == "karim", "or nothing was committed out of order"
    assert await published(kept) == [("rahim", 2)]
    assert await published(kept) == []


async def test_a_transaction_that_somebody_forgot_holds_nothing_back(
    kept: Kept, other: Kept
) -> None:
    async with other.connection.transaction():
        await other.connection.fetchval("SELECT pg_current_xact_id()")
        await kept.tell(signup("rahim", "2026-01-01"))
        assert await outgoing.waiting(kept.connection) == [
            (LINE, bucket("rahim")),
            (outgoing.OUTGOING, bucket("rahim")),
        ]
        assert await published(kept) == [("rahim", 1)]


async def test_what_another_relay_has_in_hand_is_left_to_it(kept: Kept, other: Kept) -> None:
    await kept.tell(*(signup(f"c-{number}", "2026-01-01") for number in range(50)))
    buckets = {bucket(f"c-{number}") for number in range(50)}
    some = sorted(buckets)[:5]
    async with other.connection.transaction():
        await outgoing.take(other.connection, [(LINE, of) for of in some], LEASE)
        of_others = {bucket(customer_id) for customer_id, _ in await published(kept)}
    assert of_others == buckets - set(some)
    assert {bucket(customer_id) for customer_id, _ in await published(kept)} == set(some)


async def test_a_line_in_a_wrong_bucket_is_refused(kept: Kept) -> None:
    await kept.tell(signup("rahim", "2026-01-01"), signup("karim", "2026-01-01"))
    columns = await kept.connection.fetchval(
        "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
        " WHERE table_schema = 'book' AND table_name = 'line' AND column_name <> 'position'"
    )
    for changes in ({"seq": 2, "revision": 1, "bucket": 95}, {"customer_id": "salma"}):
        pairs = ", ".join(f"'{name}', '{value}'" for name, value in changes.items())
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="follow its chain"):
            await kept.connection.execute(
                f"INSERT INTO book.line ({columns}) SELECT {columns} FROM (SELECT"
                f" (jsonb_populate_record(line, jsonb_build_object({pairs}))).* FROM book.line"
                " WHERE customer_id = 'rahim') AS wrong"
            )


@pytest.mark.parametrize(
    ("ages", "first"),
    [
        ((), False),
        (("1 second",), True),
        (("30 seconds",), False),
        (("1 second", "30 seconds"), False),
        (("-1 hour",), False),
    ],
    ids=["no run", "a young run", "an old run", "a young run behind an old one", "a clock ahead"],
)
async def test_bills_go_first_while_no_open_run_is_old(
    kept: Kept, ages: tuple[str, ...], first: bool
) -> None:
    add = """
    INSERT INTO book.run (tick_id, period, as_of, trigger, started_at, finished_at)
    SELECT $1, '2026-01', '2026-01-01', 'nightly',
        clock_timestamp() - $2::text::interval, CASE WHEN $3 THEN now() END
    """
    await kept.connection.execute(add, "finished", "2 seconds", True)
    for age in ages:
        await kept.connection.execute(add, age, age, False)

    assert await outgoing.bills_first(kept.connection, 20.0) is first
