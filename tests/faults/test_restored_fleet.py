"""A fleet whose database files were put back from a copy: the runbook's page, as processes."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from services.console.main import main
from shared.runtime.supervisor import Fleet
from tests.faults.test_workers_die import pay, rows, running, sign_up

CUSTOMERS = range(40)
LINES = (
    "SELECT customer_id, seq, period, kind, command_id, due, coverage_to FROM report.ledger"
    " ORDER BY customer_id, seq"
)


async def press(folder: Path, *arguments: str, code: int = 0) -> str:
    runner = CliRunner()
    result = await asyncio.to_thread(
        runner.invoke, main, [*arguments, "--data", str(folder)], env={"ROLLFORWARD_DATA": ""}
    )
    assert result.exit_code == code, result.output
    return result.stdout


async def paid(folder: Path, producer: AIOKafkaProducer, amount: int) -> None:
    """Pay each customer's `amount`; one after the other, so that their lines have one order."""
    for number in CUSTOMERS:
        await pay(producer, number, amount)
    await producer.flush()
    await press(folder, "settle")


def copy_whole(source: Path, copy: Path) -> None:
    """Copy a folder with its owners, as `cp -a` does."""
    shutil.copytree(source, copy)
    for each in (source, *source.rglob("*")):
        owner = each.stat()
        os.chown(copy / each.relative_to(source), owner.st_uid, owner.st_gid)


async def readyz(fleet: Fleet, name: str) -> dict[str, Any]:
    url = fleet.metrics[name].replace("/metrics", "/readyz")
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def test_files_put_back_stand_still_until_a_person_opens_an_incarnation(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "fleet"
    async with running(folder) as (fleet, producer):
        await sign_up(producer, CUSTOMERS)
        await producer.flush()
        await press(folder, "settle")
        await paid(folder, producer, 10)
        assert not fleet.waiting
    copy_whole(folder / "postgres", tmp_path / "copy")
    async with running(folder) as (fleet, producer):
        await paid(folder, producer, 20)
        await paid(folder, producer, 30)
        before = [tuple(row) for row in await rows(fleet, LINES)]
        hashes = {row["hash"] for row in await rows(fleet, "SELECT hash FROM report.ledger")}
    shutil.rmtree(folder / "postgres")
    shutil.move(tmp_path / "copy", folder / "postgres")

    async with running(folder) as (fleet, producer):
        assert any(
            "80 more records of billing.payments.v1" in why for why in fleet.waiting.values()
        )
        for name in fleet.pids:
            said = await readyz(fleet, name)
            assert "rollforward restored" in said["causes"]["restored"]
        assert (
            "more records"
            in json.loads(await press(folder, "settle", "--json", code=1))["missing"][0]
        )
        assert len(await rows(fleet, LINES)) == len(before) - 2 * len(CUSTOMERS)

        opened = json.loads(await press(folder, "restored", "--json"))
        assert (opened["incarnation"], opened["opened"]) == (2, True)
        await press(folder, "settle")
        await fleet.until_ready()

        assert [tuple(row) for row in await rows(fleet, LINES)] == before
        now = {row["hash"] for row in await rows(fleet, "SELECT hash FROM report.ledger")}
        assert len(now & hashes) == len(before) - 2 * len(CUSTOMERS)
        await press(folder, "verify")
        held = json.loads(await press(folder, "notices", "--status", "held", "--json"))
        assert {row["kind"] for row in held} == {"receipt"}
        assert len(held) == 2 * len(CUSTOMERS)
        discarded = json.loads(await press(folder, "notices", "discard", "--json"))
        assert discarded == {"discarded": len(held)}
        await paid(folder, producer, 40)
        counts = await rows(
            fleet, "SELECT status, count(*) FROM report.notice WHERE kind = 'receipt' GROUP BY 1"
        )
        assert dict(map(tuple, counts)) == {"requested": 80, "discarded": 80}
    async with running(folder) as (fleet, _):
        assert not fleet.waiting
        await press(folder, "restored", code=1)
