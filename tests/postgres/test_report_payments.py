"""The view of payments, and the money of each customer that waits for a first period."""

from typing import Any

import asyncpg

from tests.postgres.kept import (
    Kept,
    adjustment,
    cancellation,
    payment,
    refund,
    signup,
)

POLICY = '[[staff]]\nid = "boss"\nmay = ["cancel", "refund", "adjust"]\n'


async def payments(connection: asyncpg.Connection, *columns: str) -> list[tuple[Any, ...]]:
    rows = await connection.fetch(
        f"SELECT {', '.join(columns)} FROM report.payment ORDER BY payment_id"
    )
    return [tuple(row) for row in rows]


async def waiting(connection: asyncpg.Connection) -> dict[str, str]:
    rows = await connection.fetch("SELECT customer_id, waiting::text FROM report.customer")
    return {row["customer_id"]: row["waiting"] for row in rows}


async def test_a_payment_is_shown_with_what_it_said_and_what_was_given_back_of_it(
    connection: asyncpg.Connection,
) -> None:
    """A cancelled payment or refund whose cancellation was undone counts again."""
    kept = Kept(connection)
    await kept.policy(POLICY)
    online = {"method": "bKash", "channel": "online", "reference": "Tx 9"}
    await kept.tell(
        signup("rahim", "2026-01-01"),
        payment("p-1", "rahim", "300.00", "2026-01-02", **online),
        payment("p-2", "rahim", "500.00", "2026-01-03"),
        payment("p-3", "rahim", "200.00", "2026-01-04"),
        payment("p-4", "rahim", "100.00", "2026-01-04"),
        cancellation("x-3", "rahim", "payment/p-3", "2026-01-05"),
        cancellation("x-4", "rahim", "payment/p-4", "2026-01-05"),
        cancellation("u-4", "rahim", "cancellation/x-4", "2026-01-05"),
        refund("r-1", "rahim", "100.00", payment_id="p-1"),
        refund("r-2", "rahim", "50.00", payment_id="p-1"),
        refund("r-3", "rahim", "20.00", payment_id="p-1"),
        refund("r-4", "rahim", "7.00", payment_id="p-2"),
        cancellation("x-2", "rahim", "refund/r-2", "2026-01-06"),
        cancellation("x-5", "rahim", "refund/r-3", "2026-01-06"),
        cancellation("u-5", "rahim", "cancellation/x-5", "2026-01-06"),
    )

    said = ("amount::text", "method", "channel", "reference", "received_on::text", "actor")
    assert await payments(connection, *said) == [
        ("300.00", "bKash", "online", "Tx 9", "2026-01-02", "field-1"),
        ("500.00", "cash", "field", None, "2026-01-03", "field-1"),
        ("200.00", "cash", "field", None, "2026-01-04", "field-1"),
        ("100.00", "cash", "field", None, "2026-01-04", "field-1"),
    ]
    assert await payments(connection, "status", "refunded::text", "period") == [
        ("applied", "120.00", "2026-01"),
        ("applied", "7.00", "2026-01"),
        ("cancelled", "0.00", "2026-01"),
        ("applied", "0.00", "2026-01"),
    ]


async def test_money_that_waits_is_shown_and_counted_with_its_customer(
    connection: asyncpg.Connection,
) -> None:
    """Counted is what waits for a first period, and only money; not what a quarantine stops."""
    kept = Kept(connection)
    await kept.policy(POLICY)
    evening = {"received_at": "2026-01-31T19:00:00Z"}
    await kept.tell(
        signup("rahim", "2026-01-01"),
        signup("karim", "2026-01-01", bill_from="2026-03-01"),
        payment("p-1", "karim", "25.50", "2026-02-01", **evening, reference="Tx 9"),
        payment("p-2", "karim", "4.00", "2026-02-01"),
        adjustment("a-1", "karim", "70.00", "2026-02"),
        payment("p-3", "nobody", "9.00", "2026-02-01"),
    )
    await connection.execute(
        "INSERT INTO book.quarantine SELECT customer_id, 'Broken: oh', now(), bucket"
        " FROM book.account WHERE customer_id = 'rahim'"
    )
    await kept.tell(payment("p-4", "rahim", "6.00", "2026-02-01"))

    columns = ("payment_id", "customer_id", "amount::text", "reference", "received_on::text",
               "status", "refunded::text", "period")  # fmt: skip
    assert await payments(connection, *columns) == [
        ("p-1", "karim", "25.50", "Tx 9", "2026-02-01", "waiting", "0.00", None),
        ("p-2", "karim", "4.00", None, "2026-02-01", "waiting", "0.00", None),
        ("p-3", "nobody", "9.00", None, "2026-02-01", "waiting", "0.00", None),
        ("p-4", "rahim", "6.00", None, "2026-02-01", "waiting", "0.00", None),
    ]
    assert await waiting(connection) == {"karim": "29.50", "rahim": "0.00"}

    await kept.tick("2026-03-01")

    assert (await payments(connection, *columns))[:2] == [
        ("p-1", "karim", "25.50", "Tx 9", "2026-02-01", "applied", "0.00", "2026-03"),
        ("p-2", "karim", "4.00", None, "2026-02-01", "applied", "0.00", "2026-03"),
    ]
    assert await waiting(connection) == {"karim": "0.00", "rahim": "0.00"}
