"""A position is fenced by the topic that it belongs to, and what halts it stays until a reset."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka.topic_ids import Cluster, TopicNow
from shared.ledger.postgres import outgoing, positions
from shared.ledger.postgres.positions import Held
from shared.ledger.postgres.statements import sql
from shared.runtime.health import Health
from shared.runtime.loop import Loop
from shared.runtime.positions import WHOLE, Keeper, fault, grouped, topic_fault
from shared.runtime.standing import Standing
from shared.schemas.topics import PAYMENTS, TICKS
from tests.support.patience import until

OLD, NEW = UUID(int=1), UUID(int=2)
AT = (PAYMENTS, 3)
NOW = Cluster("here", 1, {PAYMENTS: TopicNow(NEW, tuple(range(12)), 1)})


async def begun(connection: asyncpg.Connection, offset: int) -> None:
    """Give the collector a position in the old topic."""
    await positions.held(connection, "collector", [AT], {PAYMENTS: OLD}, "here")
    await positions.reset(connection, "collector", {AT: offset}, {PAYMENTS: OLD}, "here")


async def kept(connection: asyncpg.Connection) -> Held:
    return (await positions.everywhere(connection))["collector", *AT]


async def test_a_batch_from_the_topic_before_a_reset_is_fenced_at_the_same_offset_too(
    database: str,
) -> None:
    connection = await asyncpg.connect(database)
    await begun(connection, 0)
    await positions.reset(connection, "collector", {AT: 0}, {PAYMENTS: NEW}, "here")

    with pytest.raises(positions.Fenced):
        await positions.advance(connection, "collector", {AT: (0, 9)}, {PAYMENTS: OLD})

    await positions.advance(connection, "collector", {AT: (0, 4)}, {PAYMENTS: NEW})
    assert await kept(connection) == Held(4, NEW, "here")
    await connection.close()


async def test_a_halted_position_moves_for_nobody_until_it_is_reset(database: str) -> None:
    connection = await asyncpg.connect(database)
    await begun(connection, 5)
    await positions.halt(connection, "collector", AT, 4, "moved meanwhile, so not halted")
    assert (await kept(connection)).halted is None

    await positions.halt(connection, "collector", AT, 5, "cut off")
    with pytest.raises(positions.Fenced):
        await positions.advance(connection, "collector", {AT: (5, 6)}, {PAYMENTS: OLD})
    again = await positions.held(connection, "collector", [AT], {PAYMENTS: OLD}, "here")
    assert again[AT].halted == "cut off"

    await positions.reset(connection, "collector", {AT: 0}, {PAYMENTS: OLD}, "here")
    await positions.advance(connection, "collector", {AT: (0, 6)}, {PAYMENTS: OLD})
    assert await kept(connection) == Held(6, OLD, "here")
    await connection.close()


async def test_only_positions_without_a_topic_are_adopted(database: str) -> None:
    connection = await asyncpg.connect(database)
    await begun(connection, 5)
    await positions.adopt(connection, "collector", [AT], {PAYMENTS: NEW}, "here")
    assert (await kept(connection)).topic_id == OLD

    await connection.execute("UPDATE book.position SET topic_id = NULL, cluster_id = NULL")
    await positions.adopt(connection, "collector", [AT], {PAYMENTS: NEW}, "here")
    assert await kept(connection) == Held(5, NEW, "here")
    await connection.close()


async def test_a_look_adopts_the_positions_without_a_topic_that_it_reads_on_from(
    database: str,
) -> None:
    """Where it did not, each batch of a book that was written before ids were kept is fenced."""

    class Broker:
        async def cluster(self, _: Any) -> Cluster:
            return NOW

        async def begins(self, asked: list[Any]) -> dict[Any, int]:
            return dict.fromkeys(asked, 0)

        async def ends(self, asked: list[Any]) -> dict[Any, int]:
            return dict.fromkeys(asked, 10)

    connection = await asyncpg.connect(database)
    await begun(connection, 5)
    await connection.execute("UPDATE book.position SET topic_id = NULL, cluster_id = NULL")
    broker: Any = Broker()
    keeper = Keeper("collector", [PAYMENTS], broker)

    look = await keeper.look(connection, [AT])

    assert look == ({AT: 5}, {})
    assert await kept(connection) == Held(5, NEW, "here")
    await positions.advance(connection, "collector", {AT: (5, 6)}, keeper.topic_ids)
    await connection.close()


async def test_the_relay_is_not_moved_past_what_it_is_to_publish_again(database: str) -> None:
    """A person sets its cursors back while it publishes what it read: they wait for it."""
    connection, person = [await asyncpg.connect(database) for _ in range(2)]
    await connection.execute("UPDATE book.relay SET position = 70 WHERE stream = 'line'")
    async with connection.transaction():
        cursors = await outgoing.take(connection, [("line", 3), ("line", 4)], "60s")
        assert cursors == {("line", 3): 70, ("line", 4): 70}
        again = asyncio.create_task(outgoing.publish_again(person))
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
        pid = person.get_server_pid()
        await until(lambda: connection.fetchval(waits, pid), "the person to wait")
        await connection.execute(sql("relay_move"), ["line"], [3], [90])
    await again
    at = await connection.fetch("SELECT DISTINCT position FROM book.relay WHERE stream = 'line'")
    assert [row[0] for row in at] == [0]
    await connection.close()
    await person.close()


@pytest.mark.parametrize(("partitions", "page"), [(24, "PartitionsChanged"), (None, "KafkaLost")])
def test_what_stands_still_names_one_page_of_the_runbook(partitions: int | None, page: str) -> None:
    there = {PAYMENTS: TopicNow(NEW, tuple(range(partitions)), 1)} if partitions else {}
    health = Health()

    Standing("collector", health).show(
        {(PAYMENTS, WHOLE): str(topic_fault(PAYMENTS, Cluster("here", 1, there), 12))}
    )

    said = health.causes[PAYMENTS]
    assert said.count("runbook") == said.count("positions list") == 1
    assert said.endswith(f"the runbook, {page}")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (Held(5, NEW, "here"), None),
        (Held(10, NEW, "here"), None),
        (Held(2, NEW, "here"), None),
        (Held(5), None),
        (Held(5, OLD, "here"), "made anew"),
        (Held(5, None, "here"), "made anew"),
        (Held(5, NEW, "elsewhere"), "it was read in Kafka cluster elsewhere, and this is here"),
        (Held(1, NEW, "here"), "reading is at 1, but the broker has records from 2 on"),
        (Held(11, NEW, "here"), "reading is at 11, but the log ends at 10"),
        (Held(11), "the log ends at 10"),
        (Held(5, NEW, "here", "cut off"), "cut off"),
    ],
)
def test_a_position_is_read_on_only_in_its_own_log_and_within_it(
    held: Held, said: str | None
) -> None:
    why = fault(PAYMENTS, held, NOW, begin=2, end=10)
    assert (why is None) if said is None else (why is not None and said in why)


def test_a_topic_is_read_only_with_the_partitions_of_the_fleet() -> None:
    assert topic_fault(PAYMENTS, NOW, 12) is None
    assert "has 12 partitions and the fleet 24" in str(topic_fault(PAYMENTS, NOW, 24))
    assert "not on the broker" in str(topic_fault(TICKS, NOW, 12))


def test_what_stands_still_together_is_said_once() -> None:
    standing = {(PAYMENTS, number): "gone" for number in (0, 1, 2, 5, 7, 8)}
    assert grouped(standing) == {PAYMENTS: "partitions 0-2,5,7-8: gone"}
    assert grouped({(PAYMENTS, 3): "gone"}) == {f"{PAYMENTS}-3": "gone"}
    assert grouped({(PAYMENTS, WHOLE): "grown"}) == {PAYMENTS: "grown"}


@pytest.mark.parametrize(
    "told", [NOW, NOW._replace(topics={}), KafkaError("no answer")], ids=["anew", "gone", "silent"]
)
async def test_records_count_only_where_their_topic_is_the_one_of_the_last_look(
    told: Cluster | KafkaError,
) -> None:
    class Broker:
        async def cluster(self, _topics: Any, _partitions: Any) -> Cluster:
            if isinstance(told, KafkaError):
                raise told
            return told

    broker: Any = Broker()
    keeper = Keeper("collector", [PAYMENTS], broker)
    keeper.topic_ids = {PAYMENTS: OLD}
    with pytest.raises(positions.Fenced):
        await keeper.same([AT])
    if told is NOW:
        keeper.topic_ids = {PAYMENTS: NEW}
        await keeper.same([AT])


async def test_a_batch_whose_topic_is_not_confirmed_is_not_committed(database: str) -> None:
    connection = await asyncpg.connect(database)
    await begun(connection, 0)
    collector: Any = Loop("collector", [PAYMENTS], "", None, None, Health())  # type: ignore[arg-type]
    collector._reading.positions = {TopicPartition(*AT): 0}
    collector._reading._topic_ids = {PAYMENTS: OLD}
    same_topics = asyncio.get_running_loop().create_future()
    same_topics.set_exception(positions.Fenced("made anew"))

    async def work(_: Any) -> Any:
        return lambda: None

    batch = {TopicPartition(*AT): [SimpleNamespace(offset=8)]}
    with pytest.raises(positions.Fenced, match="made anew"):
        await collector._committer.commit(connection, batch, work, same_topics)
    assert await kept(connection) == Held(0, OLD, "here")
    await connection.close()
