"""What Kafka takes and no decent client writes: one answer each, and the partition goes on."""

import json
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.runtime.embedded import Kafka
from shared.schemas.dead_letters import NAMES, dead_letter_headers, read_dead_letter
from shared.schemas.envelope import Message
from shared.schemas.publish import binary
from shared.schemas.topics import LEDGER, PAYMENTS, dead_letters_of
from tests.services.test_bad_input_live import PAYMENT, payment, signup
from tests.services.test_console_live import Clerk
from tests.support import raw
from tests.support.live import Live, live

LETTERS = dead_letters_of(PAYMENTS)


def paid(payment_id: str) -> Message:
    return binary(PAYMENT, payment(payment_id), payment_id, "test")


def unreadable(value: bytes = b"{") -> Message:
    return paid("never")._replace(value=value)


async def put(fleet: Live, built: bytes) -> None:
    """Put a batch behind a signup, and a good payment behind the batch."""
    await fleet.publish("billing.customer.signed_up.v1", signup())
    await raw.send(fleet.kafka, PAYMENTS, b"c-1", built)
    await fleet.send(paid("last"))
    await fleet.settle()


async def keep_by_the_publishers_clock(kafka: str, topic: str) -> None:
    """Let a topic keep the timestamps that publishers say, as one made by others may."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        settings = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
        changed = ConfigResource(ConfigResourceType.TOPIC, topic, settings)
        (answer,) = await admin.alter_configs([changed])
        assert [code for code, *_ in answer.resources] == [0]
    finally:
        await admin.close()


async def payments(fleet: Live) -> list[str]:
    rows = await fleet.rows("SELECT command_id FROM report.ledger WHERE kind = 'payment' ORDER BY"
                            " seq")  # fmt: skip
    return [row["command_id"].removeprefix("payment/") for row in rows]


async def listed(fleet: Live) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await Clerk(fleet).says("dlq", "list", "--json"))
    return found


@pytest.mark.parametrize("compression", [0, raw.GZIP])
async def test_names_that_are_not_utf8_amid_good_records_keep_their_bytes(
    kafka: Kafka, database: str, compression: int
) -> None:
    odd, bad = paid("odd"), unreadable(b"{" + b" " * 300)
    odd.headers.extend([("first", None), ("ce_xyz", b"1"), ("", b"")])  # type: ignore[list-item]
    bad.headers.append(("other", b"\xff"))
    strange = {
        b"first": b"\xff\xfe\xed\xa0=",
        b"ce_xyz": b"ce_\xc3\x28\0",
        b"other": b"\x80\xc0\xaf@\n",
    }
    built = raw.batch(
        [paid("good"), odd, bad, paid("next")], compression=compression, instead=strange
    )
    async with live(kafka.bootstrap, database) as fleet:
        await put(fleet, built)

        assert await payments(fleet) == ["good", "odd", "next", "last"]
        (letter,) = await fleet.records(LETTERS)
        told, headers = read_dead_letter(letter.headers)
        assert (letter.key, letter.value, told.offset) == (b"c-1", bad.value, 2)
        names = [name.encode(errors="surrogateescape") for name, _ in headers]
        assert names[-1] == strange[b"other"]
        assert headers[:-1] == bad.headers[:-1]
        assert [each["now"] for each in await listed(fleet)] == ["unreadable"]


async def test_the_attributes_of_a_record_mean_nothing_whatever_they_are(
    kafka: Kafka, database: str
) -> None:
    def spoil(records: bytearray) -> None:
        assert records[raw.HEADER_BYTES + 2] == 0, "a length of two bytes, and then the attributes"
        records[raw.HEADER_BYTES + 2] = 0xFF

    async with live(kafka.bootstrap, database) as fleet:
        await put(fleet, raw.batch([paid("odd"), paid("next")], spoil=spoil))

        assert await payments(fleet) == ["odd", "next", "last"]


async def test_a_dead_letter_larger_than_any_plain_record_holds_nothing_back(
    kafka: Kafka, database: str
) -> None:
    large = unreadable(b" " * (20 << 20))
    async with live(kafka.bootstrap, database) as fleet:
        await put(fleet, raw.batch([large], compression=raw.GZIP))

        assert await payments(fleet) == ["last"]
        assert len(await fleet.records(LEDGER)) == 2
        (letter,) = await fleet.records(LETTERS)
        told, headers = read_dead_letter(letter.headers)
        assert told.error.startswith("oversized")
        assert (letter.value == large.value, headers) == (True, large.headers)


async def test_a_timestamp_that_is_no_instant_is_listed_as_it_is(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await keep_by_the_publishers_clock(fleet.kafka, PAYMENTS)
        await put(fleet, raw.batch([unreadable()], timestamp=-(2**62)))

        assert [each["at"] for each in await listed(fleet)] == [f"{-(2**62)} ms"]


async def test_what_a_stranger_puts_among_dead_letters_is_passed_over(
    kafka: Kafka, database: str
) -> None:
    elsewhere = dead_letter_headers(paid("p").headers, LEDGER, 0, 0, 0, "never")
    async with live(kafka.bootstrap, database) as fleet:
        await put(fleet, raw.batch([unreadable()]))
        stranger = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id="stranger")
        await stranger.start()
        async with stranger.transaction():
            await stranger.send(LETTERS, b"{}", headers=[(name, None) for name in NAMES])
            await stranger.send(LETTERS, paid("p").value, key=b"c-1", headers=elsewhere)
        await stranger.stop()

        assert [each["topic"] for each in await listed(fleet)] == [PAYMENTS]
