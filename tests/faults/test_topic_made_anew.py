"""A position is a number in one log: what takes the log away makes the partition stand still.

Each test breaks a real broker's topic under a fleet that runs or starts again, and lets a
person reset it. What the broker still has is never passed over.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError
from click.testing import CliRunner

from services.console.main import main
from services.workers import WORKERS, worker_command
from shared.embedded import Kafka
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.kafka.broker import create_topics
from shared.operator.servers import asking
from shared.operator.setting_aside import set_aside
from shared.operator.settle import NotSettled
from shared.operator.whereabouts import Whereabouts, reset, whereabouts
from shared.runtime.restored import with_incarnation
from shared.runtime.settings import Settings
from shared.schemas.dead_letters import read_dead_letter
from shared.schemas.envelope import Message
from shared.schemas.publish import structured
from shared.schemas.topics import (
    ENTITLEMENTS,
    LEDGER,
    PAYMENTS,
    RECHECKS,
    SIGNUPS,
    TICKS,
    dead_letters_of,
)
from tests.services.test_bad_input_live import PAYMENT, payment, signup
from tests.services.test_console_live import Clerk
from tests.support.live import Live, fresh_topics, live, working

SIGNUP = "billing.customer.signed_up.v1"
PAID = "SELECT command_id FROM report.ledger WHERE kind = 'payment' ORDER BY 1"
TICK = {"tick_id": "t-1", "period": "2026-02", "as_of": "2026-02-01", "trigger": "manual"}


@asynccontextmanager
async def administered(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def make_anew(kafka: str, *topics: str) -> None:
    """Delete topics and make them again as `migrate` would."""
    async with administered(kafka) as admin:
        await admin.delete_topics(list(topics))
        while set(topics) & set(await admin.list_topics()):
            await asyncio.sleep(0.02)
    await create_topics(kafka, 12)


def paying(number: int) -> dict[str, Any]:
    return payment(payment_id=f"p-{number:04}", reference=f"TX-{number}")


async def pay(fleet: Live, *numbers: int) -> None:
    for number in numbers:
        await fleet.publish(PAYMENT, paying(number))


async def paid(fleet: Live) -> list[str]:
    return [row["command_id"] for row in await fleet.rows(PAID)]


def names(numbers: Iterable[int]) -> list[str]:
    return [f"payment/p-{number:04}" for number in numbers]


async def until_standing(fleet: Live, worker: str, *said: str) -> str:
    """Return what a worker says of what stands still, once it says all of this."""
    health = fleet.health[worker]
    while True:
        told = " ".join(f"{cause}: {health.causes[cause]}" for cause in sorted(health.person))
        if told and all(each in told for each in said):
            return told
        await asyncio.sleep(0.01)


async def until_good(fleet: Live, worker: str) -> None:
    while fleet.health[worker].causes:
        await asyncio.sleep(0.01)


async def press_reset(fleet: Live, topic: str) -> list[Whereabouts]:
    connection = await asyncpg.connect(fleet.url)
    try:
        async with asking(fleet.kafka) as asker:
            return await reset(connection, asker, topic)
    finally:
        await connection.close()


async def listed(fleet: Live, topic: str) -> dict[int, Whereabouts]:
    connection = await asyncpg.connect(fleet.url)
    try:
        async with asking(fleet.kafka) as asker:
            found = await whereabouts(connection, asker)
            return {each.partition: each for each in found if each.topic == topic}
    finally:
        await connection.close()


async def partition_of(fleet: Live, topic: str) -> int:
    """Return the partition of the one customer's events."""
    (row,) = await fleet.rows(
        "SELECT partition FROM book.position WHERE topic = $1 AND next_offset > 0", topic
    )
    return int(row["partition"])


@pytest.fixture
async def topics(kafka: Kafka) -> str:
    await fresh_topics(kafka.bootstrap)
    return kafka.bootstrap


@asynccontextmanager
async def begun(topics: str, database: str, *, payments: int) -> AsyncIterator[Live]:
    """Run a fleet with one customer, who has paid so many times; all of it is applied."""
    async with working(topics, database) as fleet:
        await fleet.publish(SIGNUP, signup())
        await pay(fleet, *range(payments))
        await fleet.settle()
        yield fleet


async def test_a_topic_made_anew_stands_still_across_restarts_until_a_person_resets_it(
    topics: str, database: str
) -> None:
    async with begun(topics, database, payments=5) as fleet:
        pass
    number = await partition_of(fleet, PAYMENTS)

    await make_anew(topics, PAYMENTS)
    async with working(topics, database, ()) as fleet:
        await pay(fleet, *range(100, 120))  # the new log is longer than the old one was
    for _ in range(2):
        async with working(topics, database) as fleet:
            told = await until_standing(fleet, "collector", f"{PAYMENTS}: partitions 0-11: ")
            assert "the topic was deleted and made anew since it was read; see" in told
            with pytest.raises(NotSettled, match=f"{PAYMENTS} stands still.*positions list"):
                await fleet.settle()
            assert await paid(fleet) == names(range(5))

    async with working(topics, database) as fleet:
        await until_standing(fleet, "collector", f"{PAYMENTS}: ")
        at = (await listed(fleet, PAYMENTS))[number]
        assert (at.consumer, at.position, at.begin, at.end) == ("collector", 5, 0, 20)
        assert at.why is not None
        await press_reset(fleet, PAYMENTS)
        await fleet.settle()  # the worker that runs has noticed by itself
        await until_good(fleet, "collector")
        await pay(fleet, *range(5))
        await fleet.settle()
        assert await paid(fleet) == names([*range(5), *range(100, 120)])
        assert all(each.why is None for each in (await listed(fleet, PAYMENTS)).values())


async def test_a_topic_made_anew_under_a_worker_that_runs_is_not_read_in_its_middle(
    topics: str, database: str
) -> None:
    async with begun(topics, database, payments=1) as fleet:
        await make_anew(topics, PAYMENTS)
        await pay(fleet, *range(100, 110))
        await until_standing(fleet, "collector", "made anew")
        assert await paid(fleet) == names([0])
        await press_reset(fleet, PAYMENTS)
        await fleet.settle()
        assert await paid(fleet) == names([0, *range(100, 110)])


async def test_an_offset_of_the_old_log_that_is_committed_to_the_new_one_counts_for_nothing(
    topics: str, database: str
) -> None:
    """A worker tells the broker how far it is before it has looked at the topic again. When the
    new log is as long as the old one was, that is no sign of a restored book."""
    async with begun(topics, database, payments=10) as fleet:
        loop = fleet.loop("collector")
        at = TopicPartition(PAYMENTS, await partition_of(fleet, PAYMENTS))
        late = with_incarnation({at: 10}, 1, loop._reading.topic_ids)

    await make_anew(topics, PAYMENTS)
    old = AIOKafkaConsumer(
        bootstrap_servers=topics, group_id="rollforward-collector", enable_auto_commit=False
    )
    old.assign([at])
    await old.start()
    await old.commit(late)
    await old.stop()
    async with working(topics, database, ()) as fleet:
        await pay(fleet, *range(100, 120))
    async with working(topics, database) as fleet:
        await until_standing(fleet, "collector", "made anew")
        await press_reset(fleet, PAYMENTS)
        await fleet.settle()
        assert await paid(fleet) == names([*range(10), *range(100, 120)])
        kept = await fleet.rows("SELECT FROM book.position WHERE furthest > 0")
        assert kept == [], "how far the old log was read says nothing about a restored book"


async def test_records_read_before_a_topic_was_made_anew_are_not_committed_after_it(
    topics: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is in hand, the topic goes and comes, and a person has pressed reset already:
    position 0 is 0 again, and only the id tells that it is another log."""
    async with begun(topics, database, payments=0) as fleet:
        judge = fleet.loop("collector")._committer.handler
        in_hand, go_on = asyncio.Event(), asyncio.Event()

        class Held:
            async def __call__(self, connection: Any, records: Any, last: Any) -> Any:
                in_hand.set()
                await go_on.wait()
                return await judge(connection, records, last)

        monkeypatch.setattr(fleet.loop("collector")._committer, "handler", Held())
        await pay(fleet, 0)
        await in_hand.wait()
        await make_anew(topics, PAYMENTS)
        await press_reset(fleet, PAYMENTS)
        monkeypatch.setattr(fleet.loop("collector")._committer, "handler", judge)
        await pay(fleet, 100)
        go_on.set()
        await fleet.settle()
        assert await paid(fleet) == names([100]), "what was in the old topic comes from its sender"


async def test_a_broker_that_does_not_tell_ids_costs_a_batch_and_no_customer(
    topics: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with begun(topics, database, payments=0) as fleet:
        keeper = fleet.loop("collector")._reading._keeper
        assert keeper is not None
        ask, asked = keeper._asker.cluster, 0

        async def silent(names: Any, partitions: Any = ()) -> Any:
            nonlocal asked
            asked += bool(partitions)
            if partitions and asked < 3:
                raise KafkaError("no answer")
            return await ask(names, partitions)

        monkeypatch.setattr(keeper._asker, "cluster", silent)
        await pay(fleet, 0)
        await fleet.settle()
        assert asked >= 3
        assert await paid(fleet) == names([0])
        assert await fleet.rows("SELECT FROM report.quarantine") == []


async def test_a_log_that_was_cut_off_stands_still_also_when_it_has_grown_again(
    topics: str, database: str
) -> None:
    async with begun(topics, database, payments=3) as fleet:
        pass
    number = await partition_of(fleet, PAYMENTS)
    # As after a leader was lost that had not copied its last records.
    await fleet.rows("UPDATE book.position SET next_offset = 5 WHERE topic = $1 AND next_offset > 0"
                     " RETURNING 1", PAYMENTS)  # fmt: skip
    async with working(topics, database) as fleet:
        await until_standing(fleet, "collector", f"{PAYMENTS}-{number}", "the log ends at 3")
        await pay(fleet, *range(100, 110))
        with pytest.raises(NotSettled, match="stands still"):
            await fleet.settle()
    async with working(topics, database) as fleet:
        await until_standing(fleet, "collector", f"{PAYMENTS}-{number}", "the log ends at 3")
        await press_reset(fleet, PAYMENTS)
        await fleet.settle()
        assert await paid(fleet) == names([*range(3), *range(100, 110)])


async def test_a_log_that_begins_after_the_position_stands_still(
    topics: str, database: str
) -> None:
    async with begun(topics, database, payments=1) as fleet:
        pass
    number = await partition_of(fleet, PAYMENTS)
    async with working(topics, database, ()) as fleet:
        await pay(fleet, *range(1, 9))
    async with administered(topics) as admin:
        await admin.delete_records({TopicPartition(PAYMENTS, number): RecordsToDelete(4)})
    for _ in range(2):
        async with working(topics, database) as fleet:
            await until_standing(fleet, "collector", "reading is at 1", "records from 4 on")
            assert await paid(fleet) == names([0])
    async with working(topics, database) as fleet:
        await press_reset(fleet, PAYMENTS)
        await fleet.settle()
        assert await paid(fleet) == names([0, *range(4, 9)])


async def test_a_reset_of_a_healthy_topic_reads_it_again_and_changes_nothing(
    topics: str, database: str
) -> None:
    async with begun(topics, database, payments=4) as fleet:
        before = await fleet.rows("SELECT * FROM report.ledger ORDER BY customer_id, seq")
        await press_reset(fleet, PAYMENTS)
        await fleet.settle()
        await press_reset(fleet, PAYMENTS)
        await fleet.settle()
        assert await fleet.rows("SELECT * FROM report.ledger ORDER BY customer_id, seq") == before


async def test_another_cluster_stands_still_and_the_right_one_goes_on_by_itself(
    topics: str, database: str
) -> None:
    async with begun(topics, database, payments=1) as fleet:
        (row,) = await fleet.rows("SELECT DISTINCT cluster_id FROM book.position")
        move = "UPDATE book.position SET cluster_id = $1 WHERE topic = $2 RETURNING 1"
        await fleet.rows(move, "elsewhere", PAYMENTS)
        await until_standing(fleet, "collector", "it was read in Kafka cluster elsewhere")
        await pay(fleet, 1)
        await fleet.rows(move, row["cluster_id"], PAYMENTS)
        await fleet.settle()
        assert await paid(fleet) == names([0, 1])


async def test_positions_from_before_the_book_kept_ids_are_taken_for_the_topics_of_now(
    topics: str, database: str
) -> None:
    async with begun(topics, database, payments=1) as fleet:
        pass
    await fleet.rows("UPDATE book.position SET topic_id = NULL, cluster_id = NULL RETURNING 1")
    async with working(topics, database) as fleet:
        await pay(fleet, 1)
        await fleet.settle()
        assert await paid(fleet) == names([0, 1])
    assert await fleet.rows("SELECT FROM book.position WHERE topic_id IS NULL") == []


async def test_the_ledger_topic_made_anew_is_filled_again_from_the_book(
    topics: str, database: str
) -> None:
    async with begun(topics, database, payments=4) as fleet:
        first = {(r.key, r.value) for r in await fleet.records(LEDGER)}
        notices = await fleet.rows("SELECT notice_id FROM report.notice ORDER BY 1")
        await make_anew(topics, LEDGER)
        await until_standing(fleet, "notifier", LEDGER, "made anew")
        await press_reset(fleet, LEDGER)
        await fleet.settle()
        assert {(r.key, r.value) for r in await fleet.records(LEDGER)} == first
        assert await fleet.rows("SELECT notice_id FROM report.notice ORDER BY 1") == notices


async def test_topics_whose_messages_can_be_asked_for_again_need_nobody(
    topics: str, database: str
) -> None:
    async with begun(topics, database, payments=0) as fleet:
        told = len(await fleet.records(ENTITLEMENTS))
    # Lost with its topic: the request to tell of an entitlement.
    await fleet.rows("DELETE FROM book.entitlement RETURNING 1")
    await make_anew(topics, RECHECKS, "billing.runs.v1", "billing.pages.v1")
    async with working(topics, database) as fleet:
        while len(await fleet.rows("SELECT FROM book.entitlement")) == 0:
            await asyncio.sleep(0.01)
        await fleet.publish("billing.tick.v1", TICK)
        await fleet.settle()
        assert len(await fleet.records(ENTITLEMENTS)) > told
        assert fleet.health["notifier"].person == set()


async def test_partitions_added_under_workers_are_said_never_settled_over_and_lose_nothing(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        clerk = Clerk(fleet)
        await fleet.publish(SIGNUP, signup())
        await pay(fleet, 0)
        await fleet.settle()
        async with administered(fleet.kafka) as admin:
            await admin.create_partitions({PAYMENTS: NewPartitions(24)})
        await until_standing(fleet, "collector", "has 24 partitions and the fleet 12")
        async with AIOKafkaProducer(bootstrap_servers=fleet.kafka) as producer:
            for number, partition in ((1, 17), (2, 3)):
                said = {"specversion": "1.0", "id": f"beyond-{number}", "source": "test",
                        "type": PAYMENT, "data": paying(number)}  # fmt: skip
                sent = structured(said)
                await producer.send_and_wait(
                    sent.topic, sent.value, sent.key, partition, None, sent.headers
                )
        with pytest.raises(NotSettled, match="24 partitions"):
            await fleet.settle()
        assert await paid(fleet) == names([0])

        # The way out that the runbook names.
        assert "2 records" in await clerk.says("positions", "set-aside", PAYMENTS)
        await make_anew(fleet.kafka, PAYMENTS)
        await clerk.says("positions", "reset", PAYMENTS, "--to", "beginning")
        assert "replayed 2;" in await clerk.says("dlq", "replay")
        await fleet.settle()
        assert await paid(fleet) == names([0, 1, 2])


async def test_what_is_set_aside_keeps_its_bytes_and_what_was_aborted_is_left(
    topics: str, database: str
) -> None:
    odd = Message(PAYMENTS, b"jamal", b"\xff no JSON", [("n\udcffme", b"\x00\xff")])
    connection = await asyncpg.connect(database)
    async with working(topics, database, ()) as fleet:
        await fleet.send(odd)
        sent = {"bootstrap_servers": topics, "transactional_id": "a stranger"}
        async with AIOKafkaProducer(**sent) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(PAYMENTS, b"{}", b"jamal")
            await producer.abort_transaction()

        async with asking(topics) as asker:
            counts = [await set_aside(connection, asker, topics, PAYMENTS) for _ in range(2)]

        letters = await fleet.records(dead_letters_of(PAYMENTS))
    await connection.close()
    assert counts == [1, 1], "positions stay, so a second time is a second copy"
    for letter in letters:
        origin, headers = read_dead_letter(letter.headers)
        assert (origin.topic, origin.offset) == (PAYMENTS, 0)
        assert (letter.key, letter.value, headers) == (odd.key, odd.value, odd.headers)
    assert len(letters) == 2


async def test_a_topic_that_is_gone_is_said(topics: str, database: str) -> None:
    async with begun(topics, database, payments=0) as fleet:
        async with administered(topics) as admin:
            await admin.delete_topics([TICKS])
            await until_standing(fleet, "coordinator", f"{TICKS}: the topic is not on the broker")
            with pytest.raises(NotSettled, match="not on the broker"):
                await fleet.settle()
            await admin.create_topics([NewTopic(TICKS, 1, 1)])
        await until_standing(fleet, "coordinator", "made anew")
        await press_reset(fleet, TICKS)
        await fleet.settle()


async def test_up_runs_on_a_wiped_broker_and_waits_for_a_person(tmp_path: Path) -> None:
    """Those commands that help need the servers and connection.json."""
    counts = dict.fromkeys(WORKERS, 1)
    async with Fleet(
        tmp_path, counts, prepare=prepare(Settings()), command=worker_command
    ) as fleet:
        assert fleet.waiting == {}
    shutil.rmtree(tmp_path / "kafka")
    async with Fleet(
        tmp_path, counts, prepare=prepare(Settings()), command=worker_command
    ) as fleet:
        assert set(fleet.waiting) == set(WORKERS) - {"relay"}
        assert "the broker was wiped" in fleet.waiting["collector"]
        assert fleet.connection_file.exists()
        runner, at = CliRunner(), ("--data", str(tmp_path))
        for topic in (SIGNUPS, PAYMENTS, TICKS, LEDGER):
            pressed = ("positions", "reset", topic, "--to", "beginning", *at)
            assert (await asyncio.to_thread(runner.invoke, main, pressed)).exit_code == 0
        await fleet.until_ready()
        settled = await asyncio.to_thread(runner.invoke, main, ("settle", *at))
        assert settled.exit_code == 0
