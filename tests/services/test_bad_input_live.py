"""Bad input on a live fleet: each gets a clear answer, nothing is lost, the next event is done."""

import json
from collections.abc import Sequence
from typing import Any

from shared.embedded import Kafka
from shared.schemas.dead_letters import read_dead_letter
from shared.schemas.envelope import Message
from shared.schemas.publish import binary
from shared.schemas.topics import (
    LEDGER,
    MAX_VALUE_BYTES,
    NOTIFICATIONS,
    PAYMENTS,
    REFUSALS,
    SIGNUPS,
    TICKS,
    dead_letters_of,
)
from tests.support.live import live

PAYMENT = "billing.payment.received.v1"
NOT_UTF8 = b"x-\xff\xfe".decode(errors="surrogateescape")
"""The name of a header, as it is read and written here: two bytes of it are no UTF-8."""


def signup(customer_id: str = "c-1", **more: Any) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "signed_up_at": "2026-01-17T10:00:00+06:00",
        "joined_on": "2026-01-17",
        "name": "Rahim",
        "phone": "+8801711000001",
        "package": {"code": "home", "price": "1000.00"},
        "cycle": {"kind": "start_of_month"},
        **more,
    }


def payment(payment_id: str = "p-1", **more: Any) -> dict[str, Any]:
    return {
        "payment_id": payment_id,
        "customer_id": "c-1",
        "amount": "100.00",
        "method": "cash",
        "channel": "field",
        "received_at": "2026-01-18T10:00:00+06:00",
        "actor": "field-1",
        **more,
    }


def without(message: Message, *names: str) -> Message:
    return message._replace(headers=[each for each in message.headers if each[0] not in names])


def malformed() -> Sequence[tuple[str, Message]]:
    good = binary(PAYMENT, payment("never"), "e-1", "test")
    unknown = without(good, "ce_type")
    unknown.headers.append(("ce_type", b"billing.nothing.v1"))
    odd = good._replace(headers=[*good.headers, ("a\0name", b"\xff"), ("none", None)])  # type: ignore[list-item]
    strange = good._replace(headers=[*good.headers, (NOT_UTF8, b"x"), ("নাম", b"y")])
    tick = {"tick_id": "t", "period": "2026-02", "as_of": "2026-02-01", "trigger": "nightly"}
    return [
        ("Invalid JSON", good._replace(value=b"{")),
        ("not UTF-8", good._replace(value=b'{"payment_id": "\xff"}')),
        ("ce_id", without(good, "ce_id")),
        ("type", unknown),
        ("amount", binary(PAYMENT, payment(amount=100), "e-2", "test")),
        ("received_at", binary(PAYMENT, payment(received_at="2026-01-18T10:00:00"), "e", "t")),
        ("Invalid JSON", odd._replace(value=b"[")),
        ("Invalid JSON", strange._replace(value=b"]")),
        ("oversized", good._replace(value=b" " * (MAX_VALUE_BYTES + 1))),
        ("key", good._replace(key=None)),  # type: ignore[arg-type]
        ("key", good._replace(key=b"c-2")),
        ("value", good._replace(value=None)),  # type: ignore[arg-type]
        ("vip", binary("billing.customer.signed_up.v1", signup(vip="yes"), "e-3", "test")),
        ("key", binary("billing.tick.v1", tick, "e-4", "test")._replace(key=b"2026-03")),
    ]


async def test_what_cannot_be_read_goes_to_its_dead_letter_topic_as_it_came(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        sent = malformed()
        for _, message in sent:
            await fleet.send(message)
        await fleet.publish("billing.customer.signed_up.v1", signup())
        await fleet.publish(PAYMENT, payment())
        await fleet.settle()

        letters = await fleet.records(*map(dead_letters_of, (SIGNUPS, PAYMENTS, TICKS)))
        found = {}
        for letter in letters:
            told, headers = read_dead_letter(letter.headers)
            found[letter.key, letter.value, tuple(headers)] = told
        assert len(letters) == len(sent)
        for word, message in sent:
            told = found[message.key, message.value, tuple(message.headers)]
            assert word in told.error
            assert told.topic == message.topic
        (paid,) = await fleet.rows("SELECT paid FROM report.statement")
        assert str(paid["paid"]) == "100.00"


async def test_a_header_whose_name_is_not_utf8_is_ignored_as_any_that_nobody_knows(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish("billing.customer.signed_up.v1", signup())
        message = binary(PAYMENT, payment(), "e-1", "test")
        message.headers.append((NOT_UTF8, b"x"))
        await fleet.send(message)
        await fleet.publish(PAYMENT, payment("p-2"))
        await fleet.settle()

        (row,) = await fleet.rows("SELECT paid FROM report.statement")
        assert str(row["paid"]) == "200.00"


async def test_a_conflicting_duplicate_is_published_and_the_first_outcome_stands(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish("billing.customer.signed_up.v1", signup())
        await fleet.settle()
        await fleet.publish(PAYMENT, payment(amount="100.0"))
        await fleet.publish(PAYMENT, payment(amount="100.00"))
        await fleet.publish(PAYMENT, payment(amount="101.00"), ce_id="the-odd-one")
        await fleet.settle()

        (refusal,) = await fleet.records(REFUSALS)
        told = json.loads(refusal.value)
        assert refusal.key == b"c-1"
        assert (told["command_id"], told["reason"]) == ("payment/p-1", "conflicting_duplicate")
        assert (told["first_outcome"], told["event_id"]) == ("accepted", "the-odd-one")
        rows = await fleet.rows("SELECT kind, paid FROM report.ledger ORDER BY seq")
        assert [(row["kind"], str(row["paid"])) for row in rows] == [
            ("bill", "0.00"),
            ("payment", "100.00"),
        ]


async def test_a_payment_before_its_signup_is_parked_and_shown_until_it_applies(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish(PAYMENT, payment())
        await fleet.settle()
        (waiting,) = await fleet.rows("SELECT * FROM report.parked")
        assert (waiting["command_id"], waiting["reason"]) == ("payment/p-1", "not_signed_up")

        await fleet.publish("billing.customer.signed_up.v1", signup())
        await fleet.settle()

        assert await fleet.rows("SELECT * FROM report.parked") == []
        (row,) = await fleet.rows("SELECT due FROM report.statement")
        assert str(row["due"]) == "383.87"


async def test_every_line_goes_out_once_in_order_and_five_months_make_one_notice(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        tick = {"tick_id": "t", "period": "2026-05", "as_of": "2026-05-20", "trigger": "manual"}
        await fleet.publish("billing.tick.v1", tick)
        await fleet.settle()
        await fleet.publish("billing.customer.signed_up.v1", signup())
        await fleet.publish("billing.customer.signed_up.v1", signup("c-2", language="bn"))
        await fleet.settle()

        lines = [json.loads(record.value) for record in await fleet.records(LEDGER)]
        for customer_id in ("c-1", "c-2"):
            seqs = [line["seq"] for line in lines if line["customer_id"] == customer_id]
            assert seqs == [1, 2, 3, 4, 5]
        notices = [json.loads(record.value) for record in await fleet.records(NOTIFICATIONS)]
        assert {(n["customer_id"], n["kind"], n["period"], n["amount"]) for n in notices} == {
            ("c-1", "due", "2026-05", "4483.87"),
            ("c-2", "due", "2026-05", "4483.87"),
        }
        assert len(notices) == 2
        bangla = next(n for n in notices if n["customer_id"] == "c-2")
        assert any("ঀ" <= letter <= "৿" for letter in bangla["text"])
        rows = await fleet.rows("SELECT notice_id FROM report.notice")
        assert {row["notice_id"] for row in rows} == {n["notice_id"] for n in notices}


async def test_a_producer_that_uses_transactions_is_read_past_its_marks(
    kafka: Kafka, database: str
) -> None:
    from aiokafka import AIOKafkaProducer

    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish("billing.customer.signed_up.v1", signup())
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id="crm")
        await producer.start()
        for payment_id, keep in (("p-1", True), ("p-2", False)):
            message = binary(PAYMENT, payment(payment_id), payment_id, "crm")
            await producer.begin_transaction()
            await producer.send_and_wait(
                message.topic, message.value, message.key, headers=message.headers
            )
            await (producer.commit_transaction() if keep else producer.abort_transaction())
        await producer.stop()
        await fleet.settle()

        rows = await fleet.rows("SELECT command_id FROM report.command WHERE command_id ~ '^pay'")
        assert [row["command_id"] for row in rows] == ["payment/p-1"]
