"""Terms by reference: equal ones are one row, whoever appends it first, and are read once."""

import asyncio

import asyncpg
import pytest

from shared.ledger.postgres import terms as stored
from shared.ledger.postgres.terms import ids_of, terms_of
from shared.ledger.terms import Cycle, Package, Terms, always, encode
from tests.postgres.kept import Kept, cancellation, change, payment, signup

DIGEST = "SELECT sha256(convert_to($1::jsonb::text, 'UTF8'))"
ROWS = "SELECT count(*) FROM book.terms"
POLICY = '[[staff]]\nid = "boss"\nmay = ["cancel"]\n'


def priced(price: int) -> Terms:
    return Terms(
        always(Package("home", price)),
        always(Cycle("start_of_month", 1)),
        always("cumulative"),
        always(False),
        always(0),
        always(False),
    )


async def by_digest(connection: asyncpg.Connection, count: int) -> list[Terms]:
    """Return terms in the order of their digests."""
    made = [priced(price) for price in range(1, count + 1)]
    digests = [await connection.fetchval(DIGEST, encode(each)) for each in made]
    return [each for _, each in sorted(zip(digests, made, strict=True), key=lambda pair: pair[0])]


async def waiting(connection: asyncpg.Connection, pids: list[int]) -> None:
    """Wait until these sessions wait for locks."""
    asked = "SELECT count(*) FROM unnest($1::int[]) AS pid WHERE pg_blocking_pids(pid) <> '{}'"
    while await connection.fetchval(asked, pids) < len(pids):
        await asyncio.sleep(0)


async def test_customers_on_the_same_terms_share_a_row_and_a_change_gives_another(
    connection: asyncpg.Connection,
) -> None:
    kept = Kept(connection)

    await kept.tell(*(signup(each, "2026-01-17") for each in ("karim", "rahim", "salma")))
    await kept.tell(signup("selim", "2026-01-18"))
    shared = await connection.fetchval(ROWS)
    await kept.tell(change("ch-1", "rahim", "2026-02-01", "2026-01-20", mode="monthly"))
    await kept.tell(change("ch-2", "salma", "2026-02-01", "2026-01-20", mode="monthly"))

    assert shared == 1
    assert await connection.fetchval(ROWS) == 2
    rows = await connection.fetch("SELECT customer_id, terms_id FROM book.account ORDER BY 1")
    karim, rahim, salma, selim = [row["terms_id"] for row in rows]
    assert (karim, rahim) == (selim, salma)
    assert karim != rahim


async def test_batches_that_append_the_same_terms_at_once_do_not_deadlock(
    connection: asyncpg.Connection, database: str
) -> None:
    first, second = [await asyncpg.connect(database) for _ in range(2)]
    low, middle, high = await by_digest(connection, 3)
    begun = [each.transaction() for each in (connection, first, second)]
    for transaction in begun:
        await transaction.start()
    await ids_of(connection, [middle])

    # Given in opposite orders: the middle one is held, so both wait with one of the others.
    upwards = asyncio.create_task(ids_of(first, [low, middle, high]))
    downwards = asyncio.create_task(ids_of(second, [high, middle, low]))
    await waiting(connection, [each.get_server_pid() for each in (first, second)])
    await begun[0].rollback()
    done, _ = await asyncio.wait([upwards, downwards], return_when=asyncio.FIRST_COMPLETED)
    ended = begun[1] if upwards in done else begun[2]
    await ended.commit()
    ids = await upwards, await downwards
    await (begun[2] if ended is begun[1] else begun[1]).commit()

    assert list(reversed(ids[1])) == ids[0]
    assert await connection.fetchval(ROWS) == 3
    for each in (first, second):
        await each.close()


async def test_a_connection_reads_terms_once(
    connection: asyncpg.Connection,
) -> None:
    ids = await ids_of(connection, [priced(1), priced(2)])

    once, _ = await terms_of(connection, set(ids))
    await connection.execute("ALTER TABLE book.terms RENAME TO gone")
    again, broken = await terms_of(connection, {ids[1]})

    assert broken == {}
    assert [encode(again[each]) for each in ids] == [encode(priced(1)), encode(priced(2))]
    assert again[ids[1]] is once[ids[1]]


async def test_an_id_means_what_it_means_in_the_book_of_a_connection(
    connection: asyncpg.Connection, database: str
) -> None:
    """As after a restore: the same database, the same id, other terms."""
    (terms_id,) = await ids_of(connection, [priced(1)])
    await terms_of(connection, {terms_id})
    await connection.execute("ALTER TABLE book.terms DISABLE TRIGGER append_only")
    await connection.execute(
        "UPDATE book.terms SET digest = sha256(convert_to($1::jsonb::text, 'UTF8')), content = $1",
        encode(priced(2)),
    )
    await connection.execute("ALTER TABLE book.terms ENABLE ALWAYS TRIGGER append_only")

    other = await asyncpg.connect(database)
    known, _ = await terms_of(other, {terms_id})
    await other.close()

    assert known[terms_id].package == always(Package("home", 2))


async def test_terms_are_remembered_up_to_a_number_and_those_asked_for_are_always_there(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "KNOWN_MAX", 3)
    ids = await ids_of(connection, [priced(price) for price in range(1, 7)])

    for at in range(len(ids)):
        asked = {ids[at], ids[at - 1]}
        known, broken = await terms_of(connection, asked)
        assert asked <= known.keys()
        assert len(known) <= 3
        assert broken == {}
    known, _ = await terms_of(connection, set(ids))
    assert set(ids) <= known.keys()


async def test_content_that_is_not_that_of_its_digest_is_refused(
    connection: asyncpg.Connection,
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="terms_digest"):
        await connection.execute(
            "INSERT INTO book.terms (digest, content)"
            " SELECT sha256(convert_to($1::jsonb::text, 'UTF8')), '{}'",
            encode(priced(1)),
        )


async def test_a_run_goes_on_from_the_last_period_where_the_last_line_is_of_an_earlier_one(
    connection: asyncpg.Connection,
) -> None:
    """Cancelling a bill of 0.00 moves no due, so nothing later is restated."""
    kept = Kept(connection)
    await kept.policy(POLICY)
    await kept.tell(signup("rahim", "2026-01-17", price="0.00"))
    await kept.tick("2026-03-01")
    await kept.tell(cancellation("c-1", "rahim", "bill/rahim/2026-01", "2026-03-02"))

    await kept.tick("2026-04-01")
    await kept.tell(cancellation("c-2", "rahim", "bill/rahim/2026-02", "2026-04-02"))
    await kept.tell(payment("p-1", "rahim", "1.00", "2026-04-20"))

    lines = await connection.fetch(
        "SELECT period, kind FROM report.ledger WHERE customer_id = 'rahim' ORDER BY seq"
    )
    assert [tuple(line) for line in lines] == [
        ("2026-01", "bill"), ("2026-02", "bill"), ("2026-03", "bill"), ("2026-01", "reversal"),
        ("2026-04", "bill"), ("2026-02", "reversal"), ("2026-04", "payment"),
    ]  # fmt: skip
    assert await connection.fetchval("SELECT count(*) FROM report.quarantine") == 0


async def test_extras_reach_back_into_every_period_that_they_touch(
    connection: asyncpg.Connection,
) -> None:
    kept = Kept(connection)
    await kept.tell(signup("rahim", "2026-01-01"))
    await kept.tick("2026-03-01")

    extras = [{"code": "ip", "price": "10.00", "quantity": 2}]
    await kept.tell(change("c-1", "rahim", "2026-01-01", "2026-03-02", extras=extras))

    rows = await connection.fetch("SELECT period, billed::text FROM report.statement ORDER BY 1")
    assert [tuple(row) for row in rows] == [
        ("2026-01", "1020.00"), ("2026-02", "1020.00"), ("2026-03", "1020.00"),
    ]  # fmt: skip
