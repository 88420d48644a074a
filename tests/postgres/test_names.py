"""Usernames, references and parked commands, each batch with what the batches before it left."""

from typing import Any

import asyncpg
import pytest

from tests.postgres.kept import Event, Kept, cancellation, change, payment, signup

POLICY = '[[staff]]\nid = "boss"\nmay = ["cancel"]\n'
TX_9: dict[str, Any] = {"method": "bKash", "reference": "Tx 9"}
SPELT: dict[str, Any] = {"method": " BKASH", "reference": "tx 9 "}


@pytest.fixture
async def kept(connection: asyncpg.Connection) -> Kept:
    kept = Kept(connection)
    await kept.policy(POLICY)
    return kept


async def judged(kept: Kept, *events: Event) -> list[tuple[str, str | None]]:
    """Judge events, each as a batch of its own; return each one's outcome: accepted, or why not."""
    for event in events:
        await kept.tell(event)
    rows = await kept.connection.fetch(
        "SELECT command_id, coalesce(reason, outcome) AS outcome FROM report.command"
        " ORDER BY recorded_at"
    )
    return [(row["command_id"].partition("/")[2], row["outcome"]) for row in rows][-len(events) :]


async def test_a_username_is_its_customers_until_a_change_gives_it_up(kept: Kept) -> None:
    assert await judged(
        kept,
        signup("rahim", "2026-01-01"),
        signup("karim", "2026-01-01", username="rahim", signup_id="k-1"),
        signup("karim", "2026-01-01", username="karim", signup_id="k-2"),
        change("c-1", "karim", "2026-01-02", "2026-01-02", username="rahim"),
        change("c-2", "rahim", "2026-01-02", "2026-01-02", username="gone"),
        change("c-3", "karim", "2026-01-02", "2026-01-02", username="rahim"),
        signup("salma", "2026-01-01", username="karim"),
        signup("jamal", "2026-01-01", username="gone"),
    ) == [
        ("rahim", "accepted"),
        ("k-1", "username_taken"),
        ("k-2", "accepted"),
        ("c-1", "username_taken"),
        ("c-2", "accepted"),
        ("c-3", "accepted"),
        ("salma", "accepted"),
        ("jamal", "username_taken"),
    ]


async def test_a_shared_reference_is_held_until_the_last_of_its_payments_is_cancelled(
    kept: Kept,
) -> None:
    assert await judged(
        kept,
        signup("rahim", "2026-01-01"),
        signup("karim", "2026-01-01"),
        payment("p-1", "rahim", "10.00", "2026-01-02", **TX_9, shared=True),
        payment("p-2", "karim", "20.00", "2026-01-02", **SPELT, shared=True),
        payment("p-3", "karim", "30.00", "2026-01-02", **TX_9),
        cancellation("x-1", "rahim", "payment/p-1", "2026-01-03"),
        payment("p-4", "rahim", "40.00", "2026-01-03", **TX_9),
        cancellation("x-2", "karim", "payment/p-2", "2026-01-03"),
        payment("p-5", "rahim", "50.00", "2026-01-03", **SPELT),
        payment("p-6", "karim", "60.00", "2026-01-03", **TX_9, shared=True),
        cancellation("u-1", "rahim", "cancellation/x-1", "2026-01-04"),
        cancellation("x-5", "rahim", "payment/p-5", "2026-01-04"),
        cancellation("u-2", "rahim", "cancellation/x-1", "2026-01-04"),
        payment("p-7", "karim", "70.00", "2026-01-04", **TX_9, shared=True),
    ) == [
        ("rahim", "accepted"),
        ("karim", "accepted"),
        ("p-1", "accepted"),
        ("p-2", "accepted"),
        ("p-3", "reference_already_used"),
        ("x-1", "accepted"),
        ("p-4", "reference_already_used"),
        ("x-2", "accepted"),
        ("p-5", "accepted"),
        ("p-6", "reference_already_used"),
        ("u-1", "reference_already_used"),
        ("x-5", "accepted"),
        ("u-2", "accepted"),
        ("p-7", "accepted"),
    ]


@pytest.mark.parametrize("first", [[], [signup("rahim", "2026-01-01", bill_from="2026-03-01")]])
async def test_what_waits_is_withdrawn_by_a_later_batch(kept: Kept, first: list[Event]) -> None:
    """The customer need not be there; what is withdrawn frees its reference and never applies."""
    for event in first:
        await kept.tell(event)
    await kept.tell(payment("p-1", "rahim", "10.00", "2026-01-02", **TX_9))
    await kept.tell(cancellation("x-1", "rahim", "payment/p-1", "2026-01-03"))

    seen = "SELECT reason, customer_id FROM report.refusal WHERE command_id = 'payment/p-1'"
    assert tuple(await kept.connection.fetchrow(seen)) == ("withdrawn", "rahim")
    assert await kept.connection.fetchval("SELECT count(*) FROM report.parked") == 0

    for event in [] if first else [signup("rahim", "2026-01-01")]:
        await kept.tell(event)
    await kept.tick("2026-03-01")
    assert await judged(
        kept,
        cancellation("u-1", "rahim", "cancellation/x-1", "2026-03-02"),
        payment("p-2", "rahim", "5.00", "2026-03-02", **TX_9),
    ) == [("u-1", "unknown_target"), ("p-2", "accepted")]
    assert await kept.connection.fetchval("SELECT sum(paid) FROM report.statement") == 5
