"""A topic is deleted and made anew under a fleet at work, and a person does what KafkaLost says.

Publishers go on as soon as the topic is there again, and send again all that they had sent to the
old one, before the reset or after it. So the new log is longer than positions of the old one, and
begins with other records: a worker that read on would miss events.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.console.problems import UNREACHABLE
from shared.embedded.starting import get
from shared.kafka.asker import Asker
from shared.kafka.broker import create_topics
from shared.runtime.positions import CONSUMER_OF
from shared.runtime.settings import Settings
from shared.schemas.topics import PAYMENTS, SIGNUPS
from tests.faults.kept import read
from tests.faults.scene import ROOT, Scene

AWAY = (KafkaError, OSError, TimeoutError)
TRY_SECONDS, STANDS_SECONDS = 30.0, 180.0
HOST = Settings().metrics_host


async def anew(scene: Scene) -> None:
    """Delete an inbound topic and make it anew; press reset once its workers stand still; publish
    again what had been sent to it."""
    topic = scene.random.choice((PAYMENTS, SIGNUPS))
    early = scene.random.random() < 0.5
    await asyncio.sleep(scene.random.uniform(0.3, 2))
    async with scene.published.halted(topic) as lost:
        old = await _log_of(scene, topic)
        old_id = await _make_anew(scene, topic)
    if early:
        await scene.published.send(lost)
    try:
        async with asyncio.timeout(STANDS_SECONDS):
            await _stands_still(scene, topic)
    except TimeoutError:
        scene.wrong.append(f"{topic} was made anew, and nobody stood still")
    await _pressed(scene, "reset", topic, "--to", "beginning")
    scene.published.applied[topic] += await _applied_of(scene, old, old_id)
    if not early:
        await scene.published.send(lost)


async def _log_of(scene: Scene, topic: str) -> list[ConsumerRecord]:
    """Return all that a topic holds; nobody publishes to it now."""
    while True:
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(TRY_SECONDS):
                return (await read(await scene.kafka(), topic))[0][topic]
        await asyncio.sleep(0.1)


async def _make_anew(scene: Scene, topic: str) -> UUID:
    """Delete a topic and make it with the fleet's settings, whatever happens to the broker; return
    the id that it had."""
    before: UUID | None = None
    while True:
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(TRY_SECONDS):
                kafka = await scene.kafka()
                now = await _id_of(kafka, topic)
                before = before or now
                if now == before:
                    await _delete(kafka, topic)
                await create_topics(kafka, Settings().partitions)
                assert before is not None
                return before
        await asyncio.sleep(0.1)


async def _delete(kafka: str, topic: str) -> None:
    async with _administered(kafka) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.02)


async def _id_of(kafka: str, topic: str) -> UUID | None:
    """Return Kafka's id of a topic; None where there is no such topic."""
    asker = Asker(kafka)
    try:
        await asker.start()
        now = (await asker.cluster([topic])).topics.get(topic)
        return now and now.topic_id
    finally:
        await asker.stop()


@asynccontextmanager
async def _administered(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


# What a person looks at, and presses ------------------------------------------------------------


async def _stands_still(scene: Scene, topic: str) -> None:
    """Return when a worker's /readyz says that the topic was made anew, and `positions list` says
    it of each partition."""
    kind = CONSUMER_OF[topic]
    while not any(_says(page, topic) for page in await _readyz(scene, kind)):
        await asyncio.sleep(0.1)
    rows: Iterable[Any] = await _pressed(scene, "list")
    ours = [row for row in rows if row["topic"] == topic and row["position"] is not None]
    moves = [row for row in ours if not row["stands_still"]]
    if moves or not ours:
        scene.wrong.append(f"{topic} was made anew, and does not stand still in {moves}")


def _says(page: str, topic: str) -> bool:
    with contextlib.suppress(ValueError, KeyError):
        said = json.loads(page)
        return any(
            cause.startswith(topic) and "made anew" in said["causes"][cause]
            for cause in said["person"]
        )
    return False


async def _readyz(scene: Scene, kind: str) -> list[str]:
    """Return what /readyz says of each worker of a kind that answers."""
    metrics = (await scene.connection_file())["metrics"]
    ports = [int(url.split(":")[2].split("/")[0]) for n, url in metrics.items() if kind in n]
    return [(await get(HOST, port, "/readyz"))[1] for port in ports]


async def _pressed(scene: Scene, *arguments: str) -> Any:
    """Run `rollforward positions ...`, again while servers are away; return its JSON."""
    while True:
        places = {"ROLLFORWARD_KAFKA": await scene.kafka()}
        command = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.console", "positions", *arguments, "--json",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
            env=scene.environment | places | {"ROLLFORWARD_DATABASE_URL": scene.database},
        )  # fmt: skip
        out, why = await command.communicate()
        if command.returncode == 0:
            return json.loads(out)
        failed = f"positions {' '.join(arguments)}: {why.decode()[-300:]}"
        if command.returncode != UNREACHABLE and failed not in scene.wrong:
            scene.wrong.append(failed)
        await asyncio.sleep(0.2)


async def _applied_of(
    scene: Scene, old: list[ConsumerRecord], old_id: UUID
) -> list[ConsumerRecord]:
    """Return what was applied of the old log: up to the positions at which it was left."""
    while True:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with scene.connected() as connection:
                rows = await connection.fetch(
                    "SELECT partition, next_offset FROM chaos.left_log WHERE topic_id = $1", old_id
                )
                break
        await asyncio.sleep(0.1)
    left = {row["partition"]: row["next_offset"] for row in rows}
    ends = {record.partition: record.offset + 1 for record in old}
    beyond = {number: at for number, at in left.items() if at > ends.get(number, 0)}
    if beyond:
        scene.wrong.append(f"reading went on in the middle of the new log: {beyond}, not {ends}")
    return [record for record in old if record.offset < left.get(record.partition, 0)]
