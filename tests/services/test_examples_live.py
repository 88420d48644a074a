"""The worked examples through the real fleet: events over Kafka in, report views out."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.embedded import Kafka
from shared.ledger.audit.fault import Fault
from shared.operator.verify import verify
from tests.support.examples import COPIED
from tests.support.live import Live, live

FILES = sorted(COPIED.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_the_example_comes_out_of_the_fleet(file: Path, kafka: Kafka, database: str) -> None:
    example = json.loads(file.read_text("utf-8"))
    await _apply_policy(database, example["policy"])

    async with live(kafka.bootstrap, database) as fleet:
        for event in example["events"]:
            await fleet.publish(event["type"], event["data"])
            # The examples promise an order across topics; Kafka does not.
            await fleet.settle()
        outcomes = await _outcomes(fleet)

        for customer_id, rows in example["statements"].items():
            query = "SELECT * FROM report.statement WHERE customer_id = $1 ORDER BY period"
            assert _told(await fleet.rows(query, customer_id), rows) == rows
        for customer_id, rows in example["lines"].items():
            query = "SELECT * FROM report.ledger WHERE customer_id = $1 ORDER BY seq"
            assert _told(await fleet.rows(query, customer_id), rows) == rows
        for customer_id, day in example.get("expires_on", {}).items():
            query = "SELECT expires_on::text FROM report.customer WHERE customer_id = $1"
            assert [row["expires_on"] for row in await fleet.rows(query, customer_id)] == [day]
        (figures,) = await fleet.rows("SELECT * FROM report.reconciliation")
        assert set(figures.values()) == {0}
        assert await _fault(database) is None

    expected = {
        _command_id(event): (event["outcome"], event.get("reason"))
        for event in example["events"]
        if event["outcome"] in ("accepted", "refused")
        and event.get("reason") != "conflicting_duplicate"
    }
    assert expected.items() <= outcomes.items()


async def _fault(database: str) -> Fault | None:
    """What `verify` finds in a book that nobody has touched."""
    connection = await asyncpg.connect(database)
    try:
        return (await verify(connection, database, lambda done, total: None)).fault
    finally:
        await connection.close()


def _told(rows: list[asyncpg.Record], expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the columns that are expected, as the examples write them."""
    columns = list(expected[0]) if expected else []
    return [
        {name: row[name] if isinstance(row[name], int) else str(row[name]) for name in columns}
        for row in rows
    ]


async def _outcomes(fleet: Live) -> dict[str, tuple[str, str | None]]:
    rows = await fleet.rows("SELECT command_id, outcome, reason FROM report.command")
    return {row["command_id"]: (row["outcome"], row["reason"]) for row in rows}


def _command_id(event: dict[str, Any]) -> str:
    kind = event["type"].split(".")[-3 if event["type"] == "billing.tick.v1" else -2]
    kind = {"signed_up": "signup", "changed": "change"}.get(kind, event["type"].split(".")[1])
    data = event["data"]
    return f"{kind}/{data.get(f'{kind}_id', data.get('customer_id'))}"


async def _apply_policy(database: str, policy: dict[str, Any]) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO book.policy (version, source, grace_days) VALUES (1, $1, 10)", _toml(policy)
    )
    await connection.close()


def _toml(policy: dict[str, Any]) -> str:
    written = []
    for kind in ("tax", "staff", "price"):
        for table in policy.get(kind, ()):
            written.append(f"[[{kind}]]")
            for name, value in table.items():
                text = value if name in ("from", "until") else json.dumps(value)
                written.append(f"{name} = {text}")
    return "\n".join(written) + "\n"
