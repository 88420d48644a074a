"""The samples of the reference on a real fleet: its programs publish and read, and its events say
what the fleet does with them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.embedded import Kafka
from shared.kafka.buckets import partition_of
from shared.schemas.envelope import Message
from shared.schemas.publish import from_line
from shared.schemas.samples import SAMPLES, samples
from shared.schemas.topics import LEDGER, OUTBOUND, PAYMENTS
from tests.support.live import Live, live
from tests.support.node import folder_with_libraries
from tests.support.patience import QUIET_SECONDS, until

EVENTS = (SAMPLES / "in.jsonl").read_text("utf-8").splitlines()
RAHIM = partition_of(b"rahim", 12)


@asynccontextmanager
async def with_policy(kafka: Kafka, database: str) -> AsyncIterator[Live]:
    policy = (SAMPLES / "policy.toml").read_text("utf-8")
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO book.policy (version, source, grace_days) VALUES (1, $1, 10)", policy
    )
    await connection.close()
    async with live(kafka.bootstrap, database) as fleet:
        yield fleet


@pytest.mark.parametrize("language", ["python", "node"])
async def test_a_sample_program_publishes_a_payment_and_another_reads_its_line(
    language: str, kafka: Kafka, database: str, tmp_path: Path
) -> None:
    if language == "node":
        folder = await asyncio.to_thread(folder_with_libraries, tmp_path)
        for name in ("publish.mjs", "read.mjs"):
            (folder / name).write_bytes((SAMPLES / name).read_bytes())
        publish, reader = (["node", str(folder / f"{name}.mjs")] for name in ("publish", "read"))
    else:
        publish, reader = ([sys.executable, str(SAMPLES / f"{n}.py")] for n in ("publish", "read"))

    async with with_policy(kafka, database) as fleet:
        await fleet.send(from_line(EVENTS[0]))
        await fleet.settle()
        said = await _output([*publish, kafka.bootstrap])
        assert await _output([*publish, kafka.bootstrap]), "the same event once more"
        await fleet.settle()
        for line in await fleet.records(LEDGER):  # as they come again after a crash
            headers = [(name, value) for name, value in line.headers]
            await fleet.send(Message(LEDGER, line.key, line.value, headers))
        await fleet.send(from_line(EVENTS[2]))
        await fleet.settle()
        lines = await _first_lines([*reader, kafka.bootstrap], 3)
        rows = await fleet.rows(
            "SELECT payment_id, amount::text, reference FROM report.payment ORDER BY recorded_at"
        )
        records = await fleet.records(PAYMENTS)

    assert said.strip() == f"partition {RAHIM}, offset 0"
    assert tuple(rows[0]) == ("bkash-TRX1002", "500.00", "TRX1002")
    assert [(each.partition, each.key) for each in records] == [(RAHIM, b"rahim")] * 3
    assert lines == [
        "rahim 1 bill 609.68", "rahim 2 payment 109.68", "rahim 3 payment -1890.32",
    ]  # fmt: skip


async def test_the_sample_events_are_accepted_and_make_the_sample_events_out(
    kafka: Kafka, database: str
) -> None:
    async with with_policy(kafka, database) as fleet:
        for line in EVENTS:
            await fleet.send(from_line(line))
            await fleet.settle()  # Kafka promises no order across topics.
        again = json.loads(EVENTS[2])
        again["data"]["amount"] = "1500.00"
        await fleet.send(from_line(json.dumps({**again, "id": "field-18"})))
        await fleet.settle()
        outcomes = await fleet.rows("SELECT command_id, outcome FROM report.command")
        published = [record for topic in OUTBOUND for record in await fleet.records(topic.name)]

    assert len(outcomes) == len(EVENTS)
    assert {row["outcome"] for row in outcomes} == {"accepted"}
    events = [_structured(record) for record in published]
    for topic in OUTBOUND:
        sample = samples()[topic.types[0]]
        assert _comparable(sample) in [_comparable(each) for each in events], topic.name


VOLATILE = ("time", "recorded_at", "hash")


def _structured(record: Any) -> dict[str, Any]:
    """Return a record as the structured event that the reference shows."""
    headers = {name: value.decode() for name, value in record.headers}
    event: dict[str, Any] = {
        name.removeprefix("ce_"): text for name, text in headers.items() if name != "content-type"
    }
    if "incarnation" in event:
        event["incarnation"] = int(event["incarnation"])
    return {**event, "datacontenttype": headers["content-type"], "data": json.loads(record.value)}


def _comparable(event: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs from one fleet to the next."""
    kept = {name: said for name, said in event.items() if name not in VOLATILE}
    return {**kept, "data": {n: said for n, said in event["data"].items() if n not in VOLATILE}}


async def _output(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), QUIET_SECONDS)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def _first_lines(command: list[str], count: int) -> list[str]:
    """Return the first lines that a program prints, and stop it."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    lines: list[str] = []

    async def read() -> None:
        assert process.stdout is not None
        while len(lines) < count and (line := await process.stdout.readline()):
            if not line.startswith(b"{"):  # kafkajs writes its log there too, in JSON
                lines.append(line.decode().strip())

    reading = asyncio.create_task(read())
    try:
        await until(reading.done, f"{count} lines of {command[-2]}", lambda: len(lines))
    finally:
        reading.cancel()
        if process.returncode is None:
            process.kill()
        await process.wait()
    return lines
