"""`verify` judges plain customers of a real book by bytes, however the session writes them."""

import asyncpg
import pytest

from shared.ledger.postgres import verifying
from shared.ledger.postgres.plain import Plain
from shared.schemas.inbound import command_of
from tests.postgres.kept import Kept, discount, payment, signup

POLICY = """\
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
[[staff]]
id = "boss"
may = ["discount", "adjust"]
"""


class Noting(Plain):
    """Notes whom it judged, and how."""

    def is_right(self, customer: bytes, *rows: list[bytes]) -> bool:  # type: ignore[override]
        JUDGED[customer.decode()] = super().is_right(customer, *rows)  # type: ignore[arg-type]
        return JUDGED[customer.decode()]


JUDGED: dict[str, bool] = {}


@pytest.fixture
async def book(connection: asyncpg.Connection) -> asyncpg.Connection:
    kept = Kept(connection)
    await kept.policy(POLICY)
    await kept.tell(payment("early", "karim", "70.00", "2026-01-10"))
    await kept.tell(
        signup("karim", "2026-01-17", name="করিম", actor="shop 100 %"),
        signup(
            "rahim", "2026-01-05", cycle={"kind": "anniversary"}, opening_due="-20.00", actor="boss"
        ),
        signup("salma", "2026-01-17", discount_percent="10", actor="boss"),
        signup("babul", "2026-01-17"),
        signup("quote", "2026-01-17", name='Abu "Q" \\'),
    )
    await kept.tick("2026-02-01")
    await kept.policy(POLICY.replace('"5"', '"7.5"'))
    await kept.tick("2026-04-01")
    await kept.tell(
        payment("p-1", "rahim", "500.00", "2026-03-20"),
        payment("p-2", "rahim", "0.05", "2025-01-01", actor="বাবুল", reference="T-1"),
        discount("d-1", "babul", "5.00", "2026-01"),
    )
    await kept.tick("2026-05-01")
    return connection


@pytest.mark.parametrize("style", ["ISO, MDY", "German, DMY"])
async def test_plain_customers_are_judged_by_bytes(
    book: asyncpg.Connection, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "Plain", Noting)
    JUDGED.clear()
    await book.execute(f"SET DateStyle = '{style}'; SET bytea_output = 'escape'")
    async with book.transaction(isolation="repeatable_read", readonly=True):
        ground = await verifying.ground(book, command_of)
        checked = await verifying.check(book, ground, verifying.Range("", None), command_of)

    lines = await book.fetchval("SELECT count(*) FROM book.line")
    assert checked == (lines, 5, None)
    left_to_the_audit = {name for name, by_bytes in JUDGED.items() if not by_bytes}
    assert left_to_the_audit == {"babul", "quote"}
