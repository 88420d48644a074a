"""Hostile input: whatever comes gets one answer, and the next good event is done all the same.

`--hostile N` reads more of it, `--seed S` other ones.
"""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from shared.embedded import Kafka
from shared.kafka.buckets import bucket_of
from shared.ledger.arrival import Arrival
from shared.ledger.commands import Ticked
from shared.schemas.codec import decode
from shared.schemas.dead_letters import read_dead_letter
from shared.schemas.envelope import Message
from shared.schemas.inbound import command_of
from shared.schemas.malformed import REASON_CHARACTERS_MAX, Malformed
from shared.schemas.publish import binary
from shared.schemas.topics import PAYMENTS, SIGNUPS, TICKS, dead_letters_of
from tests.bus.hostile import hostile
from tests.bus.schema_samples import DHAKA, PAYMENT, SIGNUP, sample
from tests.support.live import Live, live

BURST = 400
BUCKETS = 12


def answer(message: Message) -> Arrival[Any] | Malformed:
    try:
        return decode(message.topic, message.key, message.value, message.headers, DHAKA)
    except Malformed as malformed:
        return malformed


def test_a_hostile_event_is_read_or_malformed_in_one_line(request: pytest.FixtureRequest) -> None:
    first, count = request.config.getoption("seed"), request.config.getoption("hostile")
    answers = Counter[str]()
    for seed in range(first, first + count):
        told = answer(hostile(random.Random(seed), seed))
        answers[type(told).__name__] += 1
        if isinstance(told, Malformed):
            assert told.reason, seed
            assert len(told.reason) <= REASON_CHARACTERS_MAX, seed
            assert told.reason.isprintable(), seed
        else:
            assert "\0" not in told.content, seed
            again = command_of(told.type, told.content, DHAKA)
            assert again == told.command, seed
    assert min(answers["Arrival"], answers["Malformed"]) > count / 10, answers


def signup(customer_id: str, **more: Any) -> Message:
    data = {
        "customer_id": customer_id,
        "signed_up_at": "2026-01-17T10:00:00+06:00",
        "joined_on": "2026-01-17",
        "name": "Rahim",
        "phone": "+8801711000001",
        "package": {"code": "home", "price": "1000.00"},
        "cycle": {"kind": "start_of_month"},
        **more,
    }
    return binary(SIGNUP, data, f"signup-{customer_id}", "test")


def one_in_each_bucket() -> list[str]:
    """Return a customer id for each bucket."""
    found: dict[int, str] = {}
    for number in range(1000):
        found.setdefault(bucket_of(f"good-{number}", BUCKETS), f"good-{number}")
    assert len(found) == BUCKETS
    return list(found.values())


def burst(seed: int) -> list[Message]:
    """Return hostile events; of ticks, which move the whole fleet, only those not readable."""
    made = (hostile(random.Random(seed + n), n) for n in range(BURST))
    return [
        message
        for message in made
        if isinstance(told := answer(message), Malformed) or not isinstance(told.command, Ticked)
    ]


async def test_a_burst_on_a_live_fleet_gets_one_answer_each_and_stops_no_partition(
    kafka: Kafka, database: str, request: pytest.FixtureRequest
) -> None:
    sent = burst(request.config.getoption("seed"))
    async with live(kafka.bootstrap, database) as fleet:
        for number in range(10):
            await fleet.send(signup(f"h-{number}"))
        await fleet.settle()
        await asyncio.gather(*(fleet.send(message) for message in sent))
        await fleet.settle()
        await expect_one_answer_each(fleet, sent)

        for customer_id in one_in_each_bucket():
            await fleet.send(signup(customer_id))
        await fleet.settle()
        for customer_id in one_in_each_bucket():
            data = sample(PAYMENT, customer_id=customer_id, payment_id=customer_id, reference=...)
            await fleet.send(binary(PAYMENT, data, customer_id, "test"))
        await fleet.settle()
        paid = await fleet.rows(
            "SELECT command_id FROM report.ledger WHERE command_id LIKE 'payment/good-%'"
        )
        assert len(paid) == BUCKETS
        (figures,) = await fleet.rows("SELECT * FROM report.reconciliation")
        assert set(figures.values()) == {0}
        assert await fleet.rows("SELECT * FROM report.quarantine") == []


async def expect_one_answer_each(fleet: Live, sent: list[Message]) -> None:
    """Expect a dead letter with its bytes intact, or an outcome, or a parked command."""
    letters = await fleet.records(*map(dead_letters_of, (SIGNUPS, PAYMENTS, TICKS)))
    found = Counter(
        (letter.key, letter.value, tuple(read_dead_letter(letter.headers)[1])) for letter in letters
    )
    unreadable = Counter(
        (message.key, message.value, tuple(message.headers))
        for message in sent
        if isinstance(answer(message), Malformed)
    )
    assert found == unreadable
    rows = await fleet.rows(
        "SELECT command_id FROM report.command UNION ALL SELECT command_id FROM report.parked"
    )
    answered = Counter(row["command_id"] for row in rows)
    commands = {
        told.command.command_id for told in map(answer, sent) if not isinstance(told, Malformed)
    }
    assert {command_id: answered[command_id] for command_id in commands} == dict.fromkeys(
        commands, 1
    )


async def test_what_a_text_says_is_kept_to_the_letter_and_runs_nowhere(
    kafka: Kafka, database: str
) -> None:
    names = ("'; DROP TABLE book.line; --", "=cmd|' /C calc'!A0", "{0}%s\\N\r\n", "x" * 500)
    async with live(kafka.bootstrap, database) as fleet:
        for number, name in enumerate(names):
            await fleet.send(signup(f"c-{number}", name=name))
        await fleet.send(signup("free", package={"code": "free", "price": "0.00"}))
        await fleet.settle()

        rows = await fleet.rows("SELECT name FROM report.customer ORDER BY customer_id LIMIT 4")
        assert [row["name"] for row in rows] == list(names)
        (free,) = await fleet.rows("SELECT due FROM report.statement WHERE customer_id = 'free'")
        assert str(free["due"]) == "0.00"
