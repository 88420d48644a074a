"""A worker that sleeps past its session with a batch in hand."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from aiokafka import AIOKafkaProducer

from services.workers import worker_command
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.runtime.settings import Settings
from tests.faults.test_workers_die import pay, rows, sign_up
from tests.support.patience import settle, until

WORKERS = {"coordinator": 1, "generator": 1, "collector": 2, "notifier": 1, "relay": 1}
CUSTOMERS = 200


async def test_a_zombie_that_wakes_up_with_a_batch_in_hand_is_fenced(tmp_path: Path) -> None:
    hold, settings = tmp_path / "hold", Settings()

    def command(kind: str) -> tuple[str, ...]:
        if kind != "collector":
            return tuple(worker_command(kind))
        return sys.executable, "-m", "tests.support.held_worker", str(hold), kind

    ready = prepare(settings)
    async with Fleet(
        tmp_path / "fleet", WORKERS, prepare=ready, settings=settings, command=command
    ) as fleet:
        async with AIOKafkaProducer(bootstrap_servers=fleet.kafka, linger_ms=5) as producer:
            await sign_up(producer, range(CUSTOMERS))
            await producer.flush()
            await settle(fleet.kafka, fleet.database_admin)
            hold.touch()
            for number in range(CUSTOMERS):
                await pay(producer, number, 100)
            await producer.flush()
        while hold.read_text("utf-8").count("held") < 2:
            await asyncio.sleep(0.01)
        zombie = fleet.pids["collector"]
        os.kill(zombie, signal.SIGSTOP)
        hold.unlink()

        # The other one takes over when the session is over, and does all the work.
        await settle(fleet.kafka, fleet.database_admin)
        os.kill(zombie, signal.SIGCONT)

        log = tmp_path / "fleet" / "log" / "collector.log"
        await until(
            lambda: "collector: fenced" in log.read_text("utf-8"),
            "the zombie to find itself fenced",
            lambda: log.stat().st_size,
        )
        await settle(fleet.kafka, fleet.database_admin)
        assert fleet.pids["collector"] == zombie
        (paid,) = await rows(
            fleet, "SELECT count(*), count(DISTINCT command_id), sum(paid)::int AS paid"
            " FROM report.ledger WHERE kind = 'payment'"
        )  # fmt: skip
        assert tuple(paid) == (CUSTOMERS, CUSTOMERS, CUSTOMERS * 100)
