"""PostgreSQL restored to an earlier hour while Kafka goes on, on real servers.

deploy/runbook.md#bookrestored says what a person does then.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata

from shared.embedded import Kafka
from shared.operator.settle import StandsStill
from shared.runtime.restored import CAUSE, Committed, Found, compare, described, read
from shared.schemas.topics import (
    ENTITLEMENTS,
    LEDGER,
    NOTIFICATIONS,
    PAGES,
    PAYMENTS,
    SIGNUPS,
    TICKS,
)
from tests.postgres.kept import cancellation, payment, signup
from tests.services.test_console_live import Clerk
from tests.support.live import Live, fresh_topics, live
from tests.support.patience import until

POLICY = """
[[staff]]
id = "boss"
may = ["cancel"]
"""
STATEMENT = (
    "SELECT customer_id, period, coverage_from, coverage_to, previous_due, charge, discount, vat,"
    " billed, paid, due, standing FROM report.statement ORDER BY customer_id, period"
)


@asynccontextmanager
async def copied(database: str, name: str) -> AsyncIterator[str]:
    """Copy a database that nobody uses; the copy is what a backup of now would give back."""
    server, _, source = database.rpartition("/")
    admin = await asyncpg.connect(f"{server}/postgres")
    await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {source}")
    try:
        yield f"{server}/{name}"
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def tick(fleet: Live, day: str) -> None:
    data = {"tick_id": day, "period": day[:7], "as_of": day, "trigger": "manual", "allow_gap": True}
    await fleet.publish("billing.tick.v1", data, day)


async def an_evening(fleet: Live) -> None:
    """What is in the backup: two customers, January and its payment."""
    for name in ("rahim", "karim"):
        await fleet.publish(*signup(name, "2026-01-17"))
    await tick(fleet, "2026-01-20")
    await fleet.settle()
    await fleet.publish(*payment("p-1", "rahim", "100.00", "2026-01-20"))
    await fleet.settle()


async def the_lost_hours(fleet: Live) -> None:
    """What only Kafka knows afterwards."""
    await fleet.publish(*payment("p-2", "rahim", "150.00", "2026-01-21"))
    await fleet.publish(*payment("p-3", "karim", "50.00", "2026-01-21"))
    await fleet.settle()
    await tick(fleet, "2026-02-01")
    await fleet.settle()
    await fleet.publish(*signup("salma", "2026-02-01"))
    await fleet.publish(*cancellation("x-1", "karim", "payment/p-3", "2026-02-02"))
    await fleet.settle()


async def until_all_stand_still(fleet: Live) -> None:
    await until(lambda: all(CAUSE in health.causes for health in fleet.health.values()))


async def amounts(fleet: Live) -> list[Any]:
    return [tuple(row) for row in await fleet.rows(STATEMENT)]


def incarnations(records: list[Any]) -> set[bytes]:
    return {dict(record.headers)["ce_incarnation"] for record in records}


NUMBERS = "SELECT number FROM report.document ORDER BY number"
WRITE_BY_HAND = (
    ("quarantine", "retry"),
    ("seal",),
    ("notices", "release", "--anyway"),
    ("notices", "discard", "--anyway"),
)
"""Commands by which a person writes in the book; a book that stands still takes none of them."""


async def test_a_book_put_back_stands_still_and_catches_up_in_a_new_incarnation(
    kafka: Kafka, database: str
) -> None:
    server = kafka.bootstrap
    async with live(server, database) as fleet:
        await fleet.rows("INSERT INTO book.policy (version, source, grace_days) VALUES"
                         " (1, $1, 10)", POLICY)  # fmt: skip
        await an_evening(fleet)
    async with copied(database, "put_back") as put_back:
        async with live(server, database, fresh=False) as fleet:
            await the_lost_hours(fleet)
            before = await amounts(fleet)
            hashes = await fleet.rows("SELECT hash FROM report.ledger")
            told = await fleet.rows("SELECT notice_id FROM report.notice")
            papers = [each["number"] for each in await fleet.rows(NUMBERS)]
        async with live(server, put_back, fresh=False) as fleet:
            at = Clerk(fleet)
            await until_all_stand_still(fleet)
            ends = [len(await fleet.records(topic)) for topic in (LEDGER, NOTIFICATIONS, TICKS)]
            with pytest.raises(StandsStill, match=r"3 more records of billing\.payments\.v1"):
                await fleet.settle()
            settled = await at.runs("settle", "--json")
            assert settled.exit_code == 1
            assert "rollforward restored" in json.loads(settled.stdout)["missing"][0]
            lines = await fleet.rows("SELECT kind FROM report.ledger")
            assert Counter(row["kind"] for row in lines) == {"bill": 2, "payment": 1}
            assert ends == [
                len(await fleet.records(topic)) for topic in (LEDGER, NOTIFICATIONS, TICKS)
            ]

            for command in WRITE_BY_HAND:
                refused = await at.runs(*command)
                assert (refused.exit_code, refused.stdout) == (1, ""), command
                assert "rollforward restored" in refused.stderr
            assert await fleet.rows("SELECT FROM book.seal") == []

            kept = [each["number"] for each in await fleet.rows(NUMBERS)]
            lost = [each for each in papers if each not in kept]
            taken = await at.runs("restored", "--documents", kept[0])
            assert (taken.exit_code, taken.stdout) == (1, "")
            assert f"{kept[0]} belongs to a line of this book" in taken.stderr
            first = json.loads(await at.says("restored", "--json", "--documents", *lost))
            again = json.loads(await at.says("restored", "--json", "--documents", *lost))
            assert (first["void"], again["void"]) == (lost, [])
            assert (first["incarnation"], first["opened"]) == (2, True)
            assert {"consumer": "collector", "topic": PAYMENTS, "records": 3} in first["ahead"]
            assert (again["incarnation"], again["opened"]) == (2, False)

            await fleet.settle()
            assert await amounts(fleet) == before
            void = await fleet.rows("SELECT number FROM report.document WHERE status = 'void'")
            assert {each["number"] for each in void} == set(lost)
            assert len(await fleet.rows(NUMBERS)) == len(papers) + len(lost)
            await at.says("verify")
            await _what_readers_see(fleet, {row["hash"] for row in hashes})
            await _texts_wait(fleet, at, {row["notice_id"] for row in told})
            assert all(CAUSE not in health.causes for health in fleet.health.values())
        async with live(server, put_back, fresh=False) as fleet:  # a restart finds nothing odd
            await fleet.settle()
            assert (await Clerk(fleet).runs("restored")).exit_code == 1
    # Put back once more, to an hour at which nobody had opened the second incarnation.
    async with live(server, database, fresh=False) as fleet:
        await until_all_stand_still(fleet)
        third = json.loads(await Clerk(fleet).says("restored", "--json"))
        assert (third["incarnation"], third["opened"]) == (3, True)
        await fleet.settle()
        assert ("receipt/p-9", "held") in {
            tuple(row) for row in await fleet.rows("SELECT notice_id, status FROM report.notice")
        }


async def _what_readers_see(fleet: Live, lost: set[bytes]) -> None:
    """Who takes the higher incarnation has the book: from its first line of a customer on, lines
    of a lower one with that seq or a later one count no more."""
    seen: dict[str, dict[int, tuple[int, str]]] = {}
    for record in await fleet.records(LEDGER):
        line, number = json.loads(record.value), int(dict(record.headers)["ce_incarnation"])
        of = seen.setdefault(line["customer_id"], {})
        if number < max((each for each, _ in of.values()), default=0):
            continue
        for seq in [seq for seq, (each, _) in of.items() if each < number and seq >= line["seq"]]:
            del of[seq]
        of[line["seq"]] = number, line["hash"]
    kept = await fleet.rows("SELECT customer_id, seq, hash FROM report.ledger")
    assert {(who, seq, hash_) for who, of in seen.items() for seq, (_, hash_) in of.items()} == {
        (row["customer_id"], row["seq"], row["hash"].hex()) for row in kept
    }
    assert {number for of in seen.values() for number, _ in of.values()} == {1, 2}
    assert {row["hash"] for row in kept} - lost  # the same lines, recorded at another hour


async def _texts_wait(fleet: Live, at: Clerk, told: set[str]) -> None:
    """What was told in the lost hours, and what is new, is told when a person says so."""
    sent = [json.loads(r.value)["notice_id"] for r in await fleet.records(NOTIFICATIONS)]
    assert set(sent) == told
    await fleet.publish(*payment("p-9", "salma", "10.00", "2026-02-03"))
    await fleet.settle()
    held = json.loads(await at.says("notices", "--status", "held", "--json"))
    assert {row["notice_id"] for row in held} >= {
        "receipt/p-2", "receipt/p-3", "correction/x-1", "receipt/p-9", "due/salma/2026-02"
    }  # fmt: skip
    assert {row["notice_id"] for row in held} - told == {"receipt/p-9"}
    assert len(await fleet.records(NOTIFICATIONS)) == len(sent)

    assert json.loads(await at.says("notices", "release", "--json")) == {"released": len(held)}
    await fleet.settle()
    later = (await fleet.records(NOTIFICATIONS))[:]
    twice = [r for r in later if dict(r.headers)["ce_incarnation"] == b"2"]
    assert Counter(json.loads(r.value)["notice_id"] for r in twice) == Counter(
        row["notice_id"] for row in held
    )
    due = next(r for r in twice if json.loads(r.value)["notice_id"] == "due/salma/2026-02")
    assert json.loads(due.value)["amount"] == "990.00"  # as of now, not of when it was held
    assert json.loads(await at.says("notices", "release", "--json")) == {"released": 0}
    entitled = await fleet.records(ENTITLEMENTS)
    newest = {json.loads(r.value)["customer_id"] for r in entitled if incarnations([r]) == {b"2"}}
    assert newest == {"rahim", "karim", "salma"}


async def test_a_run_that_went_on_after_the_backup_is_seen_by_what_was_told_of_it(
    kafka: Kafka, database: str
) -> None:
    """All that came in was applied before the backup; only the notifier has read on since."""
    server = kafka.bootstrap
    async with live(server, database) as fleet:
        await an_evening(fleet)
    async with live(server, database, ["coordinator", "relay"], fresh=False) as fleet:
        await tick(fleet, "2026-02-01")
        while not await fleet.rows("SELECT FROM book.page WHERE tick_id = '2026-02-01'"):
            await asyncio.sleep(0.05)
    async with copied(database, "put_back_mid_run") as put_back:
        async with live(server, database, fresh=False) as fleet:
            await fleet.settle()
            before = await amounts(fleet)
        async with live(server, put_back, ["generator"], fresh=False) as fleet:
            await until_all_stand_still(fleet)
            asked = {n: b'{"tick_id": "2026-02-01", "bucket": %d}' % n for n in range(12)}
            for number, said in asked.items():
                await (await fleet.producer.send(PAGES, said, b"0", number))
            await _pages_read(fleet)
            kinds = await fleet.rows("SELECT kind FROM report.ledger WHERE period = '2026-02'")
            assert kinds == []
            await Clerk(fleet).says("restored")
        async with live(server, put_back, fresh=False) as fleet:
            await fleet.settle()
            assert await amounts(fleet) == before


async def _pages_read(fleet: Live) -> None:
    """Return when the generator has read every page command."""
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.kafka)
    await admin.start()
    try:
        asked = [TopicPartition(PAGES, number) for number in range(12)]
        ends = Counter(record.partition for record in await fleet.records(PAGES))
        while any(
            at.offset < ends[each.partition]
            for each, at in (
                await admin.list_consumer_group_offsets("rollforward-pages", partitions=asked)
            ).items()
        ):
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def test_restored_does_nothing_to_a_book_that_is_not_behind(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await an_evening(fleet)
        at = Clerk(fleet)

        refused = await at.runs("restored")

        assert refused.exit_code == 1
        assert "not behind Kafka" in refused.output
        assert await fleet.rows("SELECT * FROM book.incarnation") == []
        forced = json.loads(await at.says("restored", "--anyway", "--incarnation", "7", "--json"))
        again = json.loads(await at.says("restored", "--anyway", "--json"))
        assert (forced["incarnation"], forced["opened"]) == (7, True)
        assert (again["incarnation"], again["opened"]) == (7, False)
        # The workers go on in it without a restart, and commit with it.
        await fleet.publish(*payment("p-2", "rahim", "1.00", "2026-01-21"))
        await fleet.settle()
        assert json.loads(await at.says("notices", "discard", "--json")) == {"discarded": 1}
        await fleet.publish(*payment("p-3", "rahim", "2.00", "2026-01-21"))
        await fleet.settle()
        rows = await fleet.rows("SELECT notice_id, status FROM report.notice ORDER BY 1")
        assert {tuple(row) for row in rows} >= {
            ("receipt/p-2", "discarded"), ("receipt/p-3", "requested")
        }  # fmt: skip
        last = (await fleet.records(LEDGER))[-1]
        assert incarnations([last]) <= {b"1", b"7"}
        lines = {json.loads(r.value)["command_id"]: r for r in await fleet.records(LEDGER)}
        assert incarnations([lines["payment/p-1"]]) == {b"1"}
        assert incarnations([lines["payment/p-2"]]) == {b"7"}


async def test_offsets_of_a_log_that_was_made_anew_say_nothing(kafka: Kafka, database: str) -> None:
    await fresh_topics(kafka.bootstrap)
    old = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap,
        group_id="rollforward-generator",
        enable_auto_commit=False,
    )
    old.assign([TopicPartition(SIGNUPS, 3)])
    await old.start()
    await old.commit({TopicPartition(SIGNUPS, 3): OffsetAndMetadata(1000, "incarnation=9")})
    await old.stop()

    async with live(kafka.bootstrap, database, fresh=False) as fleet:
        await an_evening(fleet)
        assert len(await fleet.rows("SELECT FROM report.ledger")) == 3


async def test_a_book_that_was_moved_back_by_hand_is_no_restored_one(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await an_evening(fleet)
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE book.position SET next_offset = 0")
    await connection.close()

    async with live(kafka.bootstrap, database, fresh=False) as fleet:
        await fleet.settle()
        assert await fleet.rows("SELECT * FROM report.ledger") != []


# The comparison -----------------------------------------------------------------------------

PLACE = ("collector", PAYMENTS, 3)
KEY = PLACE[:2]


@pytest.mark.parametrize(
    ("incarnation", "position", "committed", "stands_still"),
    [
        (1, 5, {}, False),
        (1, 5, {PLACE: (5, 1)}, False),
        (1, 5, {PLACE: (4, 1)}, False),  # a zombie that commits late
        (1, 5, {PLACE: (6, 1)}, True),
        (2, 5, {PLACE: (6, 1)}, False),  # a person has said so
        (2, 5, {PLACE: (6, 2)}, True),  # and then it was restored again
        (1, 5, {PLACE: (5, 2)}, True),  # to an hour before the person did
    ],
)
def test_offsets_count_when_they_are_of_this_incarnation_or_a_later_one(
    incarnation: int, position: int, committed: Any, stands_still: bool
) -> None:
    told = {place: Committed(*each) for place, each in committed.items()}
    assert compare(incarnation, {PLACE: position}, told).stands_still == stands_still


def test_what_is_said_names_consumer_topic_and_count() -> None:
    found = compare(1, {}, {PLACE: Committed(6), ("collector", PAYMENTS, 4): Committed(2)})

    assert found == Found(1, 1, {KEY: 8}, {})
    assert "the collector had applied 8 more records of billing.payments.v1" in described(found)


@pytest.mark.parametrize(
    ("metadata", "committed"),
    [
        ("", Committed(6)),
        ("incarnation=3", Committed(6, 3)),
        ("incarnation=3 topic=a-b", Committed(6, 3, "a-b")),
        ("somebody else's incarnation=x", Committed(6)),
    ],
)
def test_what_is_committed_beside_an_offset_is_read(metadata: str, committed: Committed) -> None:
    assert read(6, metadata) == committed
