"""The rehearsal: it says what the run then does, and writes nothing."""

from datetime import date
from typing import Any

import asyncpg

from shared.ledger.policy.file import parse_policy
from shared.ledger.postgres.rehearsing import Difference, rehearse
from tests.postgres.kept import Kept, signup

VAT = '[[tax]]\ncode = "VAT"\nrate = "{}"\nfrom = 2020-01-01\n'
NO_NEXT_LABEL = """
ALTER TABLE book.line DISABLE TRIGGER USER;
UPDATE book.line SET period = 'February' WHERE customer_id = 'rahim' AND period = '2026-02';
"""
"""After it the rules cannot bill Rahim: no month follows the label of his last period."""
EVERYTHING = "SELECT (SELECT count(*) FROM book.line), (SELECT max(business_date) FROM book.fleet)"


async def two_months(connection: asyncpg.Connection) -> Kept:
    kept = Kept(connection)
    await kept.policy(VAT.format("5"))
    await kept.tell(signup("karim", "2026-01-01"), signup("rahim", "2026-01-17", "500.00"))
    await kept.tick("2026-02-01")
    return kept


async def _rehearsed(connection: asyncpg.Connection, policy: str | None = None) -> Any:
    version = None if policy is None else parse_policy(policy, 0)
    return await rehearse(connection, date(2026, 3, 1), version, lambda seen: None)


async def test_what_is_rehearsed_is_what_the_run_then_bills(connection: asyncpg.Connection) -> None:
    kept = await two_months(connection)
    before = await connection.fetchrow(EVERYTHING)

    found = await _rehearsed(connection)

    assert await connection.fetchrow(EVERYTHING) == before, "nothing was written"
    await kept.tick("2026-03-01")
    row = await connection.fetchrow(
        "SELECT count(*), sum(charge), sum(discount), sum(vat) FROM book.line"
        " WHERE period = '2026-03'"
    )
    assert tuple(found.months["2026-03"]) == tuple(row)
    assert found.after == found.before
    assert found.differences == []


async def test_another_policy_shows_in_totals_and_differences(
    connection: asyncpg.Connection,
) -> None:
    await two_months(connection)

    found = await _rehearsed(connection, VAT.format("7.5"))

    assert (found.before.vat, found.after.vat) == (7500, 11250)
    assert found.differences == [
        Difference("karim", "2026-03", 105_000, 107_500),
        Difference("rahim", "2026-03", 52_500, 53_750),
    ]


async def test_whom_the_run_could_not_bill_is_named_and_the_others_are_rehearsed(
    connection: asyncpg.Connection,
) -> None:
    kept = await two_months(connection)
    await kept.tell(signup("salma", "2026-02-01"))
    await connection.execute(NO_NEXT_LABEL)
    await connection.execute(
        "INSERT INTO book.quarantine SELECT 'salma', 'x', '2026-02-02', bucket"
        " FROM book.account WHERE customer_id = 'salma'"
    )

    found = await _rehearsed(connection)

    assert list(found.broken) == ["rahim"]
    assert found.broken["rahim"].startswith("ValueError: ")
    assert found.quarantined == 1, "who waits for a person already is counted, not named"
    assert found.months["2026-03"].bills == 1
    assert await connection.fetchval("SELECT count(*) FROM report.quarantine") == 1
