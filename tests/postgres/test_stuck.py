"""A parked command that waits for nothing: `verify` names it, and `quarantine retry` applies it."""

import asyncpg
import pytest

from shared.operator.retry import Retried, retry
from shared.operator.verify import Verified, verify
from tests.postgres.booked import bucket
from tests.postgres.kept import Kept, payment, signup

MOVE = """
UPDATE book.parked SET customer_id = 'rahim', content = replace(content, 'karim', 'rahim')
WHERE customer_id = 'karim'
"""
"""As where row level security had hidden Rahim from the worker that judged."""


@pytest.fixture
async def kept(connection: asyncpg.Connection) -> Kept:
    """Rahim has signed up; Karim, who has not, and Nila, who is quarantined, have paid."""
    kept = Kept(connection)
    await kept.tell(
        signup("rahim", "2026-01-17"),
        signup("nila", "2026-01-17"),
        payment("p-1", "karim", "1.00", "2026-01-20"),
    )
    await connection.execute(
        "INSERT INTO book.quarantine VALUES ('nila', 'a test', now(), $1)", bucket("nila")
    )
    await kept.tell(payment("p-2", "nila", "1.00", "2026-01-20"))
    return kept


async def verified(kept: Kept, database: str) -> Verified:
    return await verify(kept.connection, database, lambda *_: None)


async def test_what_waits_for_a_signup_or_for_a_person_is_no_fault(
    kept: Kept, database: str
) -> None:
    assert (await verified(kept, database)).fault is None
    assert await retry(database, ["karim"]) == [Retried("karim", "not quarantined")]


async def test_a_parked_command_that_nothing_releases_is_named_and_can_be_applied(
    kept: Kept, database: str
) -> None:
    await kept.connection.execute(MOVE)

    assert str((await verified(kept, database)).fault) == (
        "customer rahim, line 0: the outcome of payment/p-1 is parked (not_signed_up), expected "
        "judged, for it waits for nothing: `rollforward quarantine retry rahim` applies it"
    )

    assert await retry(database, ["rahim"]) == [Retried("rahim", "released", 1)]
    assert (await verified(kept, database)).fault is None
    assert await kept.connection.fetchval("SELECT count(*) FROM book.parked") == 1
    assert await retry(database, ["rahim"]) == [Retried("rahim", "not quarantined")]


async def test_a_quarantine_that_was_lifted_by_hand_leaves_its_commands_named(
    kept: Kept, database: str
) -> None:
    await kept.connection.execute("DELETE FROM book.quarantine")

    fault = (await verified(kept, database)).fault
    assert fault is not None
    assert (fault.customer_id, fault.found) == ("nila", "parked (quarantined)")
