"""The relay and the coordinator leave nothing behind: no memory filled, no folder forgotten."""

import os
import tempfile
from pathlib import Path

import asyncpg
import pytest

from shared.embedded import Kafka
from shared.ledger.postgres.statements import sql
from shared.runtime import metrics, relay
from tests.support.live import live
from tests.support.patience import until

LETTER = "INSERT INTO book.outgoing (bucket, topic, value, headers) VALUES (0, $1, $2, '[]')"
TOPIC = "billing.payments.v1.dlq"


@pytest.mark.parametrize(
    ("sizes", "rows_max", "bytes_max", "read"),
    [
        ([1000] * 10, 2000, 4500, 5),
        ([1000] * 10, 3, 4500, 3),
        ([9000, 10], 2000, 4500, 1),
        ([0, 0, 0], 2000, 1, 1),
        ([10, 9000, 10], 2000, 4500, 2),
    ],
)
async def test_a_read_of_the_relay_is_bounded_in_rows_and_in_bytes_and_takes_one_at_least(
    database: str, sizes: list[int], rows_max: int, bytes_max: int, read: int
) -> None:
    connection = await asyncpg.connect(database)
    for size in sizes:
        await connection.execute(LETTER, TOPIC, os.urandom(size) if size else None)

    rows = await connection.fetch(sql("relay_outgoing"), [0], [0], rows_max, bytes_max)

    assert [len(row["value"] or b"") for row in rows] == sizes[:read]
    await connection.close()


async def test_large_letters_go_out_in_their_order_in_many_reads(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BYTES_MAX", 1 << 20)
    values = [number.to_bytes(2) + os.urandom(300_000) for number in range(20)]
    connection = await asyncpg.connect(database)
    for value in values:
        await connection.execute(LETTER, TOPIC, value)
    await connection.close()

    async with live(kafka.bootstrap, database, workers=["relay"]) as fleet:
        while len(records := await fleet.records(TOPIC)) < len(values):
            pass

    assert [record.value for record in records] == values


async def test_a_coordinator_makes_no_folder_so_that_none_is_left_however_it_ends(
    kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tick = {"tick_id": "t", "period": "2026-01", "as_of": "2026-01-01", "trigger": "manual"}

    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish("billing.tick.v1", tick)
        await fleet.settle()  # Faust has claimed and finished a run
        assert list(tmp_path.iterdir()) == []


async def test_a_topic_that_is_gone_keeps_the_relay_unready_through_all_its_tries(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that answers and does not take what waits is no reason to say ready in between."""
    monkeypatch.setattr(relay, "REQUEST_MS_MAX", 1500)
    connection = await asyncpg.connect(database)
    ready: list[str] = []

    def tries() -> float:
        return float(metrics.RETRIES.labels("relay", "kafka")._value.get())

    async with live(kafka.bootstrap, database, workers=["relay"]) as fleet:
        health = fleet.health["relay"]
        await until(lambda: not health.causes, "the relay to be ready")
        await connection.execute(LETTER, "a.topic.that.is.gone", b"{}")
        await until(lambda: "kafka" in health.causes, "the relay to say that Kafka takes nothing")
        enough = tries() + 2

        def tried_again() -> bool:
            if "kafka" not in health.causes:
                ready.append("between two tries")
            return tries() >= enough

        await until(tried_again, "two more tries", watched=tries)
    await connection.close()

    assert ready == []
