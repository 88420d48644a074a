"""The hourly check finds what report.reconciliation finds: in new lines at once, in old ones in
a turn of 24 checks."""

import random

import pytest

from shared.ledger.policy.policy import Policy
from shared.ledger.postgres import health
from tests.conftest import BUCKETS
from tests.postgres.booked import Booked, bucket, pay, signup, tick
from tests.support.histories import history

CHECKS = 24
"""Checks in a turn."""
LATELY_SECONDS = 3600
SEEDS = range(200, 208)
FAULTS = (
    "UPDATE book.line SET actor = 'thief' WHERE ctid = $1",
    "UPDATE book.line SET paid = paid + 5, due = due - 5 WHERE ctid = $1",
    "UPDATE book.line SET coverage_to = coverage_to + 3 WHERE ctid = $1",
    "UPDATE book.line SET revision = revision + 100 WHERE ctid = $1",
    "UPDATE book.line SET coverage_from = coverage_from - 40 WHERE ctid = $1",
    "UPDATE book.line SET standing = true, bill_seq = 1 WHERE ctid = $1",
    "UPDATE book.line SET bill_seq = seq WHERE ctid = $1",
    "UPDATE book.line SET bucket = (bucket + 1) % 96 WHERE ctid = $1",
    "DELETE FROM book.line WHERE ctid = $1",
    "DELETE FROM book.line WHERE customer_id = (SELECT customer_id FROM book.line WHERE ctid = $1)",
    (
        "DELETE FROM book.account USING book.line"
        " WHERE line.ctid = $1 AND account.customer_id = line.customer_id"
    ),
    (
        "UPDATE book.account SET bill_from = bill_from + 1 FROM book.line"
        " WHERE line.ctid = $1 AND account.customer_id = line.customer_id"
    ),
)
"""Each breaks the line that it is given, or its customer."""
FORGED = "UPDATE book.line SET policy_version = 9 WHERE customer_id = 'rahim' AND seq = 1"
HONEST = "UPDATE book.line SET policy_version = 0 WHERE customer_id = 'rahim' AND seq = 1"


async def check(books: Booked, checks: int = CHECKS, *, numbers: bool = True) -> dict[str, int]:
    """Number documents, check once, and return the figures that are not 0."""
    if numbers:
        await books.number()
    for number, whole in await health.turn(books.connection, checks):
        await health.check(books.connection, number, whole, timeout=60)
    return await shown(books)


async def shown(books: Booked) -> dict[str, int]:
    figures = (await health.checked(books.connection, LATELY_SECONDS)).figures
    return {name: count for name, count in figures.items() if count}


async def reported(books: Booked) -> dict[str, int]:
    row = await books.connection.fetchrow("SELECT * FROM report.reconciliation")
    return {name: count for name, count in dict(row).items() if count}


@pytest.fixture
async def unguarded(books: Booked) -> Booked:
    """Two customers over three months, checked; the guards are lifted."""
    await books.play(signup("rahim", "2026-01-01"), signup("karim", "2026-01-10"))
    await books.play(tick("2026-03-31"))
    assert await check(books) == {}
    await books.connection.execute("ALTER TABLE book.line DISABLE TRIGGER USER")
    return books


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed-{seed}")
async def test_a_turn_finds_on_random_books_what_the_report_finds(books: Booked, seed: int) -> None:
    dice = random.Random(seed)
    steps = history(seed, size=60).steps
    await books.play(*steps[:30])
    assert await check(books) == {}
    await books.play(*(each for each in steps[30:] if not isinstance(each, Policy)))
    await books.number()
    await books.connection.execute("SET session_replication_role = replica")
    await books.connection.execute("ALTER TABLE book.line DISABLE TRIGGER USER")
    await books.connection.execute("ALTER TABLE book.line DROP CONSTRAINT line_rolls_forward")

    for fault in dice.sample(FAULTS, 4):
        lines = await books.connection.fetch("SELECT ctid FROM book.line ORDER BY position")
        await books.connection.execute(fault, dice.choice(lines)["ctid"])

    expected = await reported(books)
    assert expected
    assert await check(books, checks=1, numbers=False) == expected


async def test_new_lines_are_checked_at_once(unguarded: Booked) -> None:
    await unguarded.play(pay("p-1", "karim", 100, "2026-03-05"))
    await unguarded.number()
    await unguarded.connection.execute(
        "UPDATE book.line SET actor = 'thief' WHERE command_id = 'payment/p-1'"
    )

    for number in range(BUCKETS):
        await health.check(unguarded.connection, number, False, timeout=60)

    assert await shown(unguarded) == await reported(unguarded) == {"hash_breaks": 1}


async def test_a_customer_with_new_lines_is_read_whole(unguarded: Booked) -> None:
    await unguarded.connection.execute(FORGED)
    await health.check(unguarded.connection, bucket("rahim"), False, timeout=60)
    assert await shown(unguarded) == {}

    await unguarded.play(pay("p-1", "rahim", 100, "2026-03-05"))
    await unguarded.number()
    await health.check(unguarded.connection, bucket("rahim"), False, timeout=60)

    assert await shown(unguarded) == {"hash_breaks": 1}


async def test_what_breaks_in_old_lines_is_found_within_a_turn(unguarded: Booked) -> None:
    await unguarded.connection.execute(FORGED)
    await unguarded.connection.execute("DELETE FROM book.line WHERE customer_id = 'karim'")

    found = [await check(unguarded) for _ in range(CHECKS)]

    assert found[-1] == await reported(unguarded)
    assert found[-1].keys() == {"hash_breaks", "missing_months", "uncovered_days"}
    assert found[0] == {}


async def test_a_difference_stays_until_its_customer_is_found_right(unguarded: Booked) -> None:
    await unguarded.connection.execute(FORGED)
    await check(unguarded, checks=1)
    await unguarded.connection.execute(HONEST)

    await health.check(unguarded.connection, bucket("rahim"), False, timeout=60)
    assert await shown(unguarded) == {"hash_breaks": 1}
    await health.check(unguarded.connection, bucket("rahim"), True, timeout=60)
    assert await shown(unguarded) == {}


async def test_the_first_check_reads_every_bucket_and_a_turn_each_once(books: Booked) -> None:
    assert all(whole for _, whole in await health.turn(books.connection, CHECKS))
    assert await health.checked(books.connection, LATELY_SECONDS) == (
        dict.fromkeys(await _names(books), 0), None, 0,
    )  # fmt: skip
    await check(books)
    first = await health.checked(books.connection, LATELY_SECONDS)
    assert (first.reach, first.read_at is None) == (1, False)

    read: list[int] = []
    for _ in range(CHECKS):
        read += [number for number, whole in await health.turn(books.connection, CHECKS) if whole]
        await check(books)

    assert sorted(read) == list(range(BUCKETS))
    again = await health.checked(books.connection, LATELY_SECONDS)
    assert first.read_at is not None
    assert again.read_at is not None
    assert again.read_at > first.read_at
    await books.connection.execute(
        "UPDATE book.checked SET read_at = read_at - interval '2 hours' WHERE bucket < 24"
    )
    assert (await health.checked(books.connection, LATELY_SECONDS)).reach == 0.75


async def _names(books: Booked) -> list[str]:
    return list(dict(await books.connection.fetchrow("SELECT * FROM report.reconciliation")))
