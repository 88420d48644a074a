"""Each kind of refusal on a real book: honest ones are right, and a reason that somebody changed,
or a refusal that somebody made up, is named by `verify`."""

from typing import Any

import asyncpg
import pytest

from shared.operator.verify import verify
from tests.postgres.kept import Event, Kept, payment, refund, signup

POLICY = """\
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
[[staff]]
id = "boss"
may = ["vip", "discount", "vat_exempt", "cancel", "refund", "adjust", "bill_up_to", "rebill"]
[[staff]]
id = "clerk"
may = ["discount"]
max_discount_percent = "10"
"""
NAMES = {
    "discount": ("discount.granted", "granted_at"),
    "adjustment": ("adjustment.made", "made_at"),
    "cancellation": ("cancellation.requested", "requested_at"),
    "bill_up_to": ("bill_up_to.set", "set_at"),
    "rebill": ("rebill.requested", "requested_at"),
    "change": ("customer.changed", "changed_at"),
}


def said(kind: str, own_id: str, on: str, **others: Any) -> Event:
    name, instant = NAMES[kind]
    if kind in ("discount", "adjustment", "cancellation", "rebill"):
        others = {"reason": "a test"} | others
    return f"billing.{name}.v1", {
        f"{kind}_id": own_id,
        "customer_id": "rahim",
        instant: f"{on}T10:00:00+06:00",
        "actor": "boss",
        **others,
    }


def cancelled(own_id: str, cancels: str) -> Event:
    return said("cancellation", own_id, "2026-03-05", cancels=cancels)


def granted(own_id: str, amount: str, **others: Any) -> Event:
    return said("discount", own_id, "2026-03-05", amount=amount, **others)


ON = {"effective_on": "2026-02-01"}
OLD = {"signup_id": "s3", "signed_up_at": "2026-01-01T10:00:00+06:00"}
CLERK = {"actor": "clerk"}
BOOK: list[tuple[str, Event]] = [
    ("over_limit", signup("karim", "2026-01-01", signup_id="s1", discount_percent="20", **CLERK)),
    ("not_permitted", signup("karim", "2026-01-01", signup_id="s2", vat_exempt=True, **CLERK)),
    ("too_many_periods", signup("karim", "2015-01-01", **OLD)),
    ("", signup("rahim", "2026-01-01")),
    ("already_signed_up", signup("rahim", "2026-01-01", signup_id="again")),
    ("", payment("p1", "rahim", "500.00", "2026-01-02", reference="R1")),
    ("reference_already_used", payment("p2", "rahim", "500.00", "2026-01-02", reference="R1")),
    ("before_joining", said("change", "c1", "2026-01-05", effective_on="2025-12-01", vip=True)),
    ("over_limit", said("change", "c2", "2026-01-05", discount_percent="11", **ON, **CLERK)),
    ("too_many_periods", said("change", "c3", "2032-01-05", effective_on="2032-01-05", vip=True)),
    ("unknown_price", said("change", "c5", "2026-01-05", package={"code": "castle"}, **ON)),
    ("", granted("d1", "60.00", actor="clerk")),
    ("over_limit", granted("d2", "60.00", actor="clerk")),
    ("exceeds_bill", granted("d3", "9000.00")),
    ("unknown_period", granted("d4", "1.00", period="2031-01")),
    ("not_permitted", said("adjustment", "a1", "2026-03-05", amount="5.00", actor="clerk")),
    ("unknown_period", said("adjustment", "a2", "2026-03-05", amount="5.00", period="2031-01")),
    ("exceeds_credit", refund("r1", "rahim", "5.00")),
    ("unknown_target", refund("r2", "rahim", "5.00", payment_id="nobody")),
    ("exceeds_payment", refund("r3", "rahim", "501.00", payment_id="p1")),
    ("", refund("r4", "rahim", "100.00", payment_id="p1")),
    ("has_refunds", cancelled("x1", "payment/p1")),
    ("unknown_target", cancelled("x2", "payment/nobody")),
    ("", cancelled("x3", "refund/r4")),
    ("already_cancelled", cancelled("x4", "refund/r4")),
    ("", cancelled("x5", "cancellation/x3")),
    ("not_cancellable", cancelled("x6", "cancellation/x5")),
    ("already_billed", said("rebill", "b1", "2026-03-05", period="2026-01")),
    ("unknown_period", said("rebill", "b2", "2026-03-05", period="2031-01")),
    ("", cancelled("x7", "bill/rahim/2026-01")),
    ("no_standing_bill", granted("d5", "1.00", period="2026-01")),
    ("already_cancelled", cancelled("x8", "discount/d1")),
    ("bill_cancelled", said("bill_up_to", "u1", "2026-03-05", up_to="2026-02-10")),
    ("", said("rebill", "b3", "2026-03-05", period="2026-01")),
    ("superseded", cancelled("x9", "cancellation/x7")),
    ("already_billed", said("bill_up_to", "u2", "2026-03-05", up_to="2026-01-10")),
    ("too_many_periods", said("bill_up_to", "u3", "2026-03-05", up_to="2036-01-10")),
    ("", said("change", "c4", "2026-01-20", effective_on="2026-02-01", status="left")),
    ("customer_left", said("bill_up_to", "u4", "2026-03-05", up_to="2026-05-10")),
]  # fmt: skip
"""What is told, one after another, and why it is refused, if it is."""
REASONS = sorted({reason for reason, _ in BOOK if reason})


@pytest.fixture
async def told(connection: asyncpg.Connection) -> dict[str, str]:
    """The refused commands of the book and their reasons."""
    kept = Kept(connection)
    await kept.policy(POLICY)
    for _, event in BOOK:
        await kept.tell(event)
    rows = await connection.fetch(
        "SELECT command_id, reason FROM book.command WHERE outcome = 'refused' ORDER BY position"
    )
    assert [row["reason"] for row in rows] == [reason for reason, _ in BOOK if reason]
    await connection.execute("ALTER TABLE book.command DISABLE TRIGGER USER")
    return dict(rows)


async def fault(connection: asyncpg.Connection, database: str) -> str:
    return str((await verify(connection, database, lambda done, total: None)).fault)


async def test_every_kind_of_refusal_is_right_and_each_one_is_named_when_its_reason_was_changed(
    connection: asyncpg.Connection, database: str, told: dict[str, str]
) -> None:
    assert await fault(connection, database) == "None"

    change = "UPDATE book.command SET reason = $1 WHERE command_id = $2"
    for number, (command_id, reason) in enumerate(told.items()):
        other = [each for each in REASONS if each != reason][number % (len(REASONS) - 1)]
        await connection.execute(change, other, command_id)
        found = await fault(connection, database)
        await connection.execute(change, reason, command_id)

        held = "reference_already_used"
        wanted = "accepted" if held in (reason, other) else f"refused: {reason}"
        named = f"the outcome of {command_id} is refused: {other}, expected "
        assert named in found
        assert found.endswith(wanted) or other == held


async def test_a_refusal_that_somebody_made_up_is_named(
    connection: asyncpg.Connection, database: str, told: dict[str, str]
) -> None:
    """What never came, or was lost, told as refused: it would have been accepted."""
    made_up = (
        "INSERT INTO book.command (command_id, customer_id, type, content, outcome, reason,"
        " recorded_at, bucket) SELECT $1, customer_id, type, replace(content, $2, $3), 'refused',"
        " $4, recorded_at, bucket FROM book.command WHERE command_id = $5"
    )
    await connection.execute(made_up, "payment/p9", '"p1"', '"p9"', "not_permitted", "payment/p1")
    assert await fault(connection, database) == (
        "customer rahim, line 9: the outcome of payment/p9 is refused: not_permitted,"
        " expected accepted"
    )
    await connection.execute("DELETE FROM book.command WHERE command_id = 'payment/p9'")

    payment_id = '"p1"', '"p9"'
    await connection.execute(
        made_up, "payment/p9", *payment_id, "reference_already_used", "payment/p1"
    )
    assert await fault(connection, database) == "None", "p1 had the reference"
    await connection.execute(
        "UPDATE book.command SET content = replace(content, 'R1', 'R9')"
        " WHERE command_id = 'payment/p9'"
    )
    assert await fault(connection, database) == (
        "customer rahim, line 0: the outcome of payment/p9 is refused: reference_already_used,"
        " expected accepted"
    )
