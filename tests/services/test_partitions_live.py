"""`rollforward partitions N` on a live fleet: nothing is lost, doubled or left behind."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.coordinator.runs import Runs
from shared.embedded import Kafka
from shared.kafka import clients, odd_records
from shared.kafka.broker import WrongTopics, add_partitions
from shared.kafka.buckets import bucket_of
from shared.ledger.postgres import fleet as book
from shared.operator import multiplying
from shared.operator.multiplying import OURS, multiply
from shared.operator.set_up import set_up
from shared.operator.settle import NotSettled, settle
from shared.runtime import lag, metrics, restored
from shared.runtime.context import Context
from shared.runtime.fitness import unfit
from shared.runtime.settings import Settings, SettingsError
from shared.schemas.publish import binary
from shared.schemas.topics import LEDGER, PAGES, PAYMENTS, SIGNUPS
from tests.conftest import BUCKETS
from tests.services.test_bad_input_live import PAYMENT, payment, signup
from tests.services.test_console_live import Clerk
from tests.services.test_tools_twice import answer, press
from tests.support.live import Live, live, working
from tests.support.patience import PATIENT, until

SIGNUP = "billing.customer.signed_up.v1"
CUSTOMERS = 48


def tick(day: str) -> dict[str, str]:
    return {"period": day[:7], "tick_id": f"t-{day}", "as_of": day, "trigger": "manual"}


class Stream:
    """Publishes signups and payments until it is stopped: the signups with a client that knows the
    old partitions for long, the payments with one that soon notices the new ones."""

    def __init__(self, fleet: Live) -> None:
        self._fleet = fleet
        self._stopping = False
        self.count = 0

    async def run(self) -> None:
        producer = clients.producer(self._fleet.kafka)
        await producer.start()
        try:
            while not self._stopping:
                number = self.count = self.count + 1
                await self._fleet.publish(SIGNUP, signup(f"new-{number}"))
                paid = payment(f"p-{number}", customer_id=f"c-{number % CUSTOMERS}")
                await (
                    await odd_records.send(producer, binary(PAYMENT, paid, f"e-{number}", "test"))
                )
        finally:
            await producer.stop()

    def stop(self) -> None:
        self._stopping = True


@asynccontextmanager
async def streaming(fleet: Live) -> AsyncIterator[Stream]:
    stream = Stream(fleet)
    running = asyncio.create_task(stream.run())
    yield stream
    stream.stop()
    await running


async def positions(fleet: Live, topic: str) -> dict[int, int]:
    rows = await fleet.rows("SELECT partition, next_offset FROM book.position WHERE topic = $1",
                            topic)  # fmt: skip
    return {row["partition"]: row["next_offset"] for row in rows}


async def exactly_once(fleet: Live, payments: int, customers: int) -> None:
    """Every payment and every bill is there once, in the book and in Kafka."""
    (commands,) = await fleet.rows(
        "SELECT count(*) AS all, count(*) FILTER (WHERE outcome = 'accepted') AS accepted"
        " FROM book.command WHERE command_id LIKE 'payment/%'"
    )
    assert tuple(commands) == (payments, payments)
    lines = await fleet.rows("SELECT customer_id, seq, kind, period FROM book.line")
    kinds = Counter(line["kind"] for line in lines)
    assert kinds["payment"] == payments
    bills = Counter((line["customer_id"], line["period"]) for line in lines
                    if line["kind"] == "bill")  # fmt: skip
    assert set(bills.values()) == {1}
    assert len({customer for customer, _ in bills}) == customers
    published = [json.loads(record.value) for record in await fleet.records(LEDGER)]
    assert sorted((line["customer_id"], line["seq"]) for line in published) == sorted(
        (line["customer_id"], line["seq"]) for line in lines
    )


async def test_a_fleet_goes_on_with_more_partitions_while_events_stream_and_a_run_is_in_flight(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live(kafka.bootstrap, database) as fleet:

        async def settled_and_busy_again(*arguments: object) -> None:
            await settle(*arguments)  # type: ignore[arg-type]
            await fleet.publish("billing.tick.v1", tick("2026-03-01"))
            await until(claimed, "the run to begin")

        async def claimed() -> bool:
            return len(await fleet.rows("SELECT FROM book.page WHERE tick_id LIKE '%03-01%'")) > 0

        monkeypatch.setattr(multiplying, "settle", settled_and_busy_again)
        for number in range(CUSTOMERS):
            await fleet.publish(SIGNUP, signup(f"c-{number}"))
        await fleet.publish("billing.tick.v1", tick("2026-02-01"))
        await fleet.settle()

        async with streaming(fleet) as stream:
            await until(lambda: stream.count > 20, "events to stream", lambda: stream.count)
            done = await multiply(kafka.bootstrap, database, 24, 600.0)

            async def beyond() -> bool:
                at = await positions(fleet, PAYMENTS)
                return len(at) == 24 and sum(at[number] for number in range(12, 24)) > 5

            await until(beyond, "new partitions to be read", lambda: stream.count)

            async def told_there() -> bool:
                at = await positions(fleet, LEDGER)
                return sum(offset for number, offset in at.items() if number >= 12) > 0

            await until(told_there, "the relay to publish to new partitions")
        await fleet.settle()
        await fleet.publish("billing.tick.v1", tick("2026-04-01"))
        await fleet.settle()

        assert done == (12, 24, list(OURS))
        pages = Counter(row["tick_id"] for row in await fleet.rows("SELECT tick_id FROM book.page"))
        assert sorted(pages.values()) == [12, 12, 24]
        assert len(await fleet.rows("SELECT FROM book.run WHERE finished_at IS NULL")) == 0
        await exactly_once(fleet, stream.count, CUSTOMERS + stream.count)
        placed = {json.loads(each.value)["customer_id"]: each.partition
                  for each in await fleet.records(PAYMENTS) if each.partition >= 12}  # fmt: skip
        assert placed == {each: bucket_of(each, BUCKETS) % 24 for each in placed}
        assert "all is right" in await Clerk(fleet).says("verify")
        assert all(not health.person for health in fleet.health.values())


async def test_pressed_twice_it_changes_nothing_and_a_count_that_cannot_be_is_refused(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        at = Clerk(fleet)
        for count in (6, 18, 36, 192):
            refused = await at.runs("partitions", str(count))
            assert refused.exit_code == 2
            assert "possible: 24, 48, 96" in refused.stderr
        assert "and had 12" in await at.says("partitions", "24", *PATIENT)
        assert "24 partitions already" in await at.says("partitions", "24", *PATIENT)
        again = json.loads(await at.says("partitions", "24", "--json", *PATIENT))
        assert again == {"before": 24, "partitions": 24, "topics": []}
        refused = await at.runs("partitions", "12")
        assert refused.exit_code == 2
        assert "possible: 48, 96" in refused.stderr


async def test_two_presses_at_once_end_with_one_count(kafka: Kafka, database: str) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        found = await asyncio.gather(
            *(multiply(kafka.bootstrap, database, 24, 600.0) for _ in range(2))
        )
        assert sorted(each.before for each in found) == [12, 24]
        await fleet.publish(SIGNUP, signup())
        await fleet.settle()


async def test_it_waits_for_what_is_not_applied(kafka: Kafka, database: str) -> None:
    async with live(kafka.bootstrap, database, ["relay"]) as fleet:
        await fleet.publish(SIGNUP, signup())

        async def refused() -> bool:
            result = await Clerk(fleet).runs("partitions", "24", "--timeout", "1")
            assert result.exit_code == 1
            return f"1 record of {SIGNUPS}" in result.stderr

        await until(refused, "the command to see the record")
        assert len(await fleet.rows("SELECT FROM book.fleet WHERE partitions = 12")) == 1


async def killed_between(fleet: Live) -> None:
    """Press it, and kill it when Kafka has the partitions and the book does not."""
    module = "tests.support.dying_console book"
    process = await press(fleet, "partitions", "24", *PATIENT, module=module)
    await process.communicate()
    assert process.returncode == -9


async def test_killed_between_kafka_and_the_book_it_is_pressed_again(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish(SIGNUP, signup())
        await fleet.settle()
        await killed_between(fleet)
        await fleet.publish(PAYMENT, payment("p-1"))
        await until(lambda: PAYMENTS in fleet.health["collector"].person, "workers to stand still")
        with pytest.raises(NotSettled, match="24 partitions and the fleet 12"):
            await fleet.settle()

        again = await answer(await press(fleet, "partitions", "24", *PATIENT))

        assert again == {"before": 12, "partitions": 24, "topics": []}
        await fleet.settle()
        await exactly_once(fleet, 1, 1)
        assert fleet.health["collector"].person == set()


async def test_killed_between_kafka_and_the_book_it_is_finished_by_migrate(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await killed_between(fleet)
        steps = await set_up(kafka.bootstrap, database, Settings())
        assert any("has 24 partitions" in step for step in steps)
        await fleet.publish(SIGNUP, signup())
        await fleet.settle()


async def test_a_worker_with_the_old_setting_starts_and_one_with_other_buckets_does_not(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await multiply(kafka.bootstrap, database, 24, 600.0)
        await fleet.publish(SIGNUP, signup())
        await fleet.settle()
    said = {}
    for count in (12, 24, 20):
        settings = Settings(kafka=kafka.bootstrap, database_url=database, partitions=count)
        context = Context("collector", settings)
        said[count] = await unfit(context, asyncio.Event())
        for each in context.databases:
            await each.close()
    assert (said[12], said[24]) == (None, None)
    assert "96 buckets" in str(said[20])
    with pytest.raises(SettingsError, match="96 buckets"):
        await set_up(kafka.bootstrap, database, Settings(partitions=20))

    monkeypatch.setattr(lag, "WATCH_SECONDS", 0.05)
    await set_up(kafka.bootstrap, database, Settings())
    async with working(kafka.bootstrap, database, ["coordinator", "relay"]) as fleet:
        for number in range(50):
            await fleet.publish(PAYMENT, payment(f"p-{number}", customer_id=f"c-{number}"))

        def behind() -> float:
            lags = [metrics.CONSUMER_LAG.labels(PAYMENTS, str(number)) for number in range(24)]
            return float(sum(each._value.get() for each in lags))

        await until(lambda: behind() == 50, "the lag of all 24 partitions", behind)
    async with working(kafka.bootstrap, database) as fleet:
        await fleet.settle()
        assert sum((await positions(fleet, PAYMENTS)).values()) == 50


async def test_a_book_restored_to_before_the_switch_is_noticed_by_the_new_partitions_alone(
    kafka: Kafka, database: str
) -> None:
    customer = next(each for each in map("c-{}".format, range(99))
                    if bucket_of(each, BUCKETS) % 24 >= 12)  # fmt: skip
    async with live(kafka.bootstrap, database) as fleet:
        await multiply(kafka.bootstrap, database, 24, 600.0)
        await fleet.publish(SIGNUP, signup(customer))
        await fleet.settle()
    connection = await asyncpg.connect(database)
    assert not (await restored.look(connection, kafka.bootstrap)).stands_still

    await connection.execute("UPDATE book.fleet SET partitions = 12")
    await connection.execute("DELETE FROM book.position WHERE partition >= 12")

    assert (await restored.look(connection, kafka.bootstrap)).stands_still
    await connection.close()


async def test_a_topic_that_cannot_have_that_count_is_refused_before_anything_changes(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database, ["relay"]) as fleet:
        await add_partitions(kafka.bootstrap, [PAYMENTS], 36)
        with pytest.raises(WrongTopics, match="has 36 partitions, which cannot become 24"):
            await multiply(kafka.bootstrap, database, 24, 600.0)
        assert len(await fleet.records(SIGNUPS)) == 0
        connection = await asyncpg.connect(database)
        assert await book.partitions(connection) == 12
        await connection.close()


async def test_a_page_whose_partition_the_client_has_not_seen_is_sent_all_the_same(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database, ["relay"]) as fleet:
        context = Context("coordinator", fleet.settings)
        runs = Runs(kafka.bootstrap, context.database(), context.health, None)  # type: ignore[arg-type]
        await runs._send_page("t-1", 30)
        await runs.app.stop()
        (record,) = await fleet.records(PAGES)
        assert json.loads(record.value) == {"tick_id": "t-1", "page": 30}
        for each in context.databases:
            await each.close()
