"""Rows of one customer that somebody changed by hand and nobody can read: one customer waits, all
others are judged, billed, told and verified."""

import json
from datetime import date
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from services.notifier.notifier import Notifier
from shared.ledger.postgres.rehearsing import rehearse
from shared.operator.retry import retry
from shared.operator.verify import verify
from shared.schemas.topics import LEDGER, RECHECKS
from tests.postgres.kept import Event, Kept, payment, signup

CUSTOMERS = ("karim", "rahim", "salma")
HURT = """
WITH hurt AS (
    INSERT INTO book.terms (digest, content)
    SELECT sha256(convert_to(content::text, 'UTF8')), content
    FROM book.account
    JOIN book.terms AS agreed (terms_id, digest, terms) USING (terms_id)
    CROSS JOIN LATERAL (SELECT ({})::jsonb) AS made (content)
    WHERE customer_id = 'rahim'
    RETURNING terms_id
)
UPDATE book.account SET terms_id = hurt.terms_id FROM hurt WHERE customer_id = 'rahim'
"""
"""Gives rahim other terms, made of `terms`, those they have."""
NO_SUCH_TERMS = "UPDATE book.account SET terms_id = 0 WHERE customer_id = 'rahim'"
TERMS = {
    "nothing": "'{}'",
    "another-shape": """'{"package": "home"}'""",
    "a-field-less": "terms - 'cycle'",
    "a-field-more": """terms || '{"speed": [[null, 1]]}'""",
    "a-price-with-a-fraction": """jsonb_set(terms, '{package,0,1,1}', '1.5')""",
    "a-price-as-text": """jsonb_set(terms, '{package,0,1,1}', '"100000"')""",
    "an-anchor-that-no-month-has": """jsonb_set(terms, '{cycle,0,1,1}', '32')""",
    "a-mode-of-their-own": """jsonb_set(terms, '{mode,0,1}', '"weekly"')""",
    "a-day-that-is-none": """jsonb_set(terms, '{vip,0,0}', '"31 January"')""",
    "no-entry": """jsonb_set(terms, '{status}', '[]')""",
}
HURTING = {name: HURT.format(made) for name, made in TERMS.items()} | {"no-row": NO_SUCH_TERMS}
BY_TERMS = pytest.mark.parametrize("hurting", HURTING.values(), ids=HURTING.keys())


@pytest.fixture
async def kept(connection: asyncpg.Connection) -> Kept:
    """All three in one bucket, so that they are billed on one page."""
    await connection.execute("UPDATE book.fleet SET partitions = 1")
    await connection.execute("UPDATE book.fleet SET partitions = 1, buckets = 1")
    kept = Kept(connection, buckets=1)
    await kept.tell(*(signup(customer_id, "2026-01-17") for customer_id in CUSTOMERS))
    return kept


def renamed(customer_id: str) -> Event:
    return "billing.customer.changed.v1", {
        "change_id": f"ch-{customer_id}",
        "customer_id": customer_id,
        "effective_on": "2026-01-20",
        "changed_at": "2026-01-20T10:00:00+06:00",
        "name": "Somebody",
    }


async def quarantined(connection: asyncpg.Connection) -> dict[str, str]:
    return dict(await connection.fetch("SELECT customer_id, reason FROM report.quarantine"))


async def parked(connection: asyncpg.Connection) -> list[tuple[str, str]]:
    rows = await connection.fetch("SELECT command_id, reason FROM report.parked ORDER BY 1")
    return [tuple(row) for row in rows]


@BY_TERMS
async def test_a_run_goes_on_without_who_cannot_be_read_and_shows_it(
    kept: Kept, connection: asyncpg.Connection, database: str, hurting: str
) -> None:
    agreed = "SELECT terms_id FROM book.account WHERE customer_id = 'rahim'"
    whole = await connection.fetchval(agreed)
    await connection.execute(hurting)

    await kept.tick("2026-02-01")

    run = await connection.fetchrow("SELECT status, billed, quarantined FROM report.run")
    assert tuple(run) == ("done", 2, 1)
    assert (await quarantined(connection))["rahim"].startswith("Unreadable: terms of the account")
    assert (await quarantined(connection)).keys() == {"rahim"}

    (still,) = await retry(database, ["rahim"])
    mend = "UPDATE book.account SET terms_id = $1 WHERE customer_id = 'rahim'"
    await connection.execute(mend, whole)
    (released,) = await retry(database, ["rahim"])

    assert (still.result, released.result) == ("still quarantined", "released")
    assert (still.reason or "").startswith("Unreadable: terms of the account")
    periods = "SELECT count(*) FROM report.statement WHERE customer_id = 'rahim'"
    assert await connection.fetchval(periods) == 2


async def test_a_batch_goes_on_without_who_cannot_be_read(
    kept: Kept, connection: asyncpg.Connection
) -> None:
    await connection.execute(HURTING["nothing"])

    await kept.tell(*(payment(f"p-{each}", each, "5.00", "2026-01-20") for each in CUSTOMERS))

    paid = "SELECT customer_id FROM report.ledger WHERE kind = 'payment' ORDER BY 1"
    assert [row[0] for row in await connection.fetch(paid)] == ["karim", "salma"]
    assert await parked(connection) == [("payment/p-rahim", "quarantined")]
    assert list(await quarantined(connection)) == ["rahim"]


async def test_a_batch_goes_on_without_who_lacks_a_period_that_it_reads(
    kept: Kept, connection: asyncpg.Connection
) -> None:
    await kept.tick("2026-04-01")
    await connection.execute("ALTER TABLE book.line DISABLE TRIGGER append_only")
    await connection.execute(
        "DELETE FROM book.line WHERE customer_id = 'rahim' AND period = '2026-02'"
    )
    await connection.execute("ALTER TABLE book.line ENABLE ALWAYS TRIGGER append_only")

    await kept.tell(*(payment(f"p-{each}", each, "5.00", "2026-01-20") for each in CUSTOMERS))

    paid = "SELECT customer_id FROM report.ledger WHERE kind = 'payment' ORDER BY 1"
    assert [row[0] for row in await connection.fetch(paid)] == ["karim", "salma"]
    assert await quarantined(connection) == {
        "rahim": "Unreadable: a period is missing between 2026-01 and 2026-04"
    }


@pytest.mark.parametrize("contact", ["'{}'", """'{"name": [[null, 5]]}'""", "'[1]'"])
async def test_a_contact_that_cannot_be_read_stops_one_customers_change(
    kept: Kept, connection: asyncpg.Connection, contact: str
) -> None:
    await connection.execute(
        f"UPDATE book.account SET contact = {contact} WHERE customer_id = 'rahim'"
    )

    await kept.tell(*map(renamed, CUSTOMERS))

    accepted = "SELECT customer_id FROM report.command WHERE command_id LIKE 'change/%' ORDER BY 1"
    assert [row[0] for row in await connection.fetch(accepted)] == ["karim", "salma"]
    assert "contact of the account" in (await quarantined(connection))["rahim"]


async def test_a_parked_command_that_cannot_be_read_stops_the_customer_it_waits_for(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("UPDATE book.fleet SET partitions = 1, buckets = 1")
    kept = Kept(connection, buckets=1)
    await kept.tell(*(payment(f"p-{each}", each, "5.00", "2026-01-20") for each in CUSTOMERS))
    await connection.execute("UPDATE book.parked SET content = '{' WHERE customer_id = 'rahim'")

    await kept.tell(*(signup(each, "2026-01-17") for each in CUSTOMERS))

    signed_up = "SELECT customer_id FROM report.customer ORDER BY 1"
    assert [row[0] for row in await connection.fetch(signed_up)] == ["karim", "salma"]
    assert "a parked billing.payment.received.v1" in (await quarantined(connection))["rahim"]


async def test_a_planned_change_that_cannot_be_read_holds_no_page_up(
    kept: Kept, connection: asyncpg.Connection
) -> None:
    await connection.execute(HURTING["nothing"])
    await connection.execute("UPDATE book.account SET next_change_on = '2026-01-20'")

    await kept.tick("2026-02-01")

    waiting = "SELECT customer_id FROM book.account WHERE next_change_on IS NOT NULL"
    assert [row[0] for row in await connection.fetch(waiting)] == ["rahim"]
    assert await connection.fetchval("SELECT status FROM report.run") == "done"


async def test_a_rehearsal_names_who_cannot_be_read(
    kept: Kept, connection: asyncpg.Connection
) -> None:
    await connection.execute(HURTING["nothing"])

    found = await rehearse(connection, date(2026, 2, 1), None, lambda seen: None)

    assert list(found.broken) == ["rahim"]
    assert found.months["2026-02"].bills == 2
    assert found.quarantined == 0


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            HURTING["a-price-as-text"],
            "customer rahim, line 0: the row of the account is terms of the account cannot be read",
        ),
        (
            NO_SUCH_TERMS,
            "customer rahim, line 0: the row of the account is terms of the account cannot be read",
        ),
        (
            "UPDATE book.account SET contact = '{}' WHERE customer_id = 'rahim'",
            "customer rahim, line 0: the row of the account is contact of the account cannot",
        ),
        (
            "UPDATE book.command SET content = '{' WHERE customer_id = 'rahim'",
            "customer rahim, line 0: the content of signup/rahim is {",
        ),
        (
            "UPDATE book.command SET type = 'x' WHERE customer_id = 'rahim'",
            "expected an event of type x",
        ),
        (
            "UPDATE book.command SET content = '[]' WHERE customer_id IS NULL",
            "customer -, line 0: the content of tick/2026-02-01 is []",
        ),
    ],
    ids=["terms", "no-terms", "contact", "content", "type", "tick"],
)
async def test_verify_names_what_cannot_be_read(
    kept: Kept, connection: asyncpg.Connection, database: str, statement: str, named: str
) -> None:
    await kept.tick("2026-02-01")
    await connection.execute("ALTER TABLE book.command DISABLE TRIGGER USER")
    await connection.execute(statement)

    verified = await verify(connection, database, lambda done, total: None)

    assert named in str(verified.fault)


@BY_TERMS
@pytest.mark.parametrize("topic", [LEDGER, RECHECKS])
async def test_who_cannot_be_told_of_waits_for_a_person_and_others_are_told(
    kept: Kept, connection: asyncpg.Connection, topic: str, hurting: str
) -> None:
    await connection.execute(hurting)
    await connection.execute("DELETE FROM book.outgoing")
    notifier = Notifier(lambda _: 0)

    told = []
    for customer_id in CUSTOMERS:
        record = await _record(connection, topic, customer_id)
        try:
            async with connection.transaction():
                await notifier(connection, [record])
        except Exception as error:
            await notifier.set_apart(connection, record, error)
        else:
            told.append(customer_id)

    entitled = "SELECT customer_id FROM book.entitlement ORDER BY 1"
    assert [row[0] for row in await connection.fetch(entitled)] == told
    assert {"karim", "salma"} <= set(told)
    assert {*told, *(await quarantined(connection))} == set(CUSTOMERS)


async def test_a_notifier_that_meets_what_is_nobodys_data_stops(
    kept: Kept, connection: asyncpg.Connection
) -> None:
    record = await _record(connection, LEDGER, "rahim")

    with pytest.raises(asyncpg.UndefinedFunctionError):
        await Notifier(lambda _: 0).set_apart(
            connection, record, asyncpg.UndefinedFunctionError("gone")
        )

    assert await quarantined(connection) == {}


async def _record(connection: asyncpg.Connection, topic: str, customer_id: str) -> Any:
    """A record of the topic about the customer's first line, as a consumer gets it."""
    row = await connection.fetchrow(
        "SELECT customer_id, seq, period, kind, command_id FROM book.line"
        " WHERE customer_id = $1 AND seq = 1",
        customer_id,
    )
    value = json.dumps(dict(row)).encode() if topic == LEDGER else None
    return SimpleNamespace(topic=topic, key=customer_id.encode(), value=value, headers=())
