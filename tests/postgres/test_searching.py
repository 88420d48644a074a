"""`customers`: who is found by a name or a reference, however it is typed."""

import asyncpg
import pytest

from tests.postgres.kept import Kept, payment, signup
from tests.postgres.test_asking import ask

NAMES = {
    "emil": "Émil Straße",
    "fatima": "ফাতেমা বেগম",
    "karim": "Abdul\u00a0Karim",
    "rahim": "Abdul Rahim",
}


@pytest.fixture
async def kept(connection: asyncpg.Connection) -> Kept:
    kept = Kept(connection)
    await kept.tell(*(signup(each, "2026-01-01", name=name) for each, name in NAMES.items()))
    return kept


async def found(database: str, *arguments: str) -> list[str]:
    """Return whom `customers` lists."""
    result = await ask(database, "customers", *arguments)
    assert result.exit_code == (0 if result.stdout else 1)
    return [line.split(" ")[0] for line in result.stdout.splitlines()[1:]]


@pytest.mark.parametrize(
    ("typed", "who"),
    [
        ("ABDUL", ["karim", "rahim"]),
        ("abdul karim", ["karim"]),
        ("bdul\u00a0r", ["rahim"]),
        ("STRASSE", ["emil"]),
        ("ÉMIL", ["emil"]),
        ("e\u0301mil", ["emil"]),
        ("বেগম", ["fatima"]),
        ("emil", []),
        ("nobody", []),
    ],
)
async def test_a_part_of_a_name_is_found_in_any_case_and_script(
    kept: Kept, database: str, typed: str, who: list[str]
) -> None:
    assert await found(database, "--name", typed) == who


@pytest.mark.parametrize(
    ("paid", "typed", "who"),
    [
        ("TRX 9", " trx 9 ", ["rahim"]),
        ("\u00a0Straße-7\u2003", "STRASSE-7", ["rahim"]),
        ("STRASSE-7", "straße-7", ["rahim"]),
        ("ÉTÉ1", "été1", ["rahim"]),
        ("TRX 91", "TRX 9", []),
        ("\u00a0", " ", []),
    ],
)
async def test_a_reference_is_found_as_payments_are_judged_by_it(
    kept: Kept, database: str, paid: str, typed: str, who: list[str]
) -> None:
    await kept.tell(payment("p-1", "rahim", "5.00", "2026-01-02", reference=paid))

    assert await found(database, "--reference", typed) == who
    assert await found(database, "--reference", typed, "--name", "karim") == []


async def test_as_many_are_listed_as_are_asked_for_in_the_order_of_their_ids(
    kept: Kept, database: str
) -> None:
    assert await found(database, "--limit", "2") == ["emil", "fatima"]
    assert await found(database, "--name", "abdul", "--limit", "1") == ["karim"]
