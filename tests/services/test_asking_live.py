"""The events as commands on a real fleet: what a clerk types, and what comes of it."""

import json
from pathlib import Path

import pytest

from shared.embedded import Kafka
from tests.services.test_console_live import clerk

POLICY = """\
[[staff]]
id = "boss"
may = ["vip", "discount", "cancel", "refund", "adjust", "bill_up_to", "rebill", "price"]
[[price]]
code = "home"
from = 2026-01-01
amount = "1000.00"
[[price]]
code = "ip"
from = 2026-01-01
amount = "200.00"
"""
BOSS = ("--actor", "boss")
SIGNUP = (
    "signup", "rahim", "--name", "Rahim", "--phone", "+8801711000001", "--package", "home",
    "--extra", "ip", "--cycle", "start_of_month", "--joined-on", "2026-01-17",
    "--signed-up-at", "2026-01-17T10:00:00+06:00", *BOSS,
)  # fmt: skip
PAY = (
    "pay", "rahim", "200", "--method", "cash", "--reference", "TRX 9",
    "--received-at", "2026-01-20T10:00:00+06:00", *BOSS,
)  # fmt: skip


async def test_a_clerk_signs_up_takes_money_and_corrects(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    async with clerk(kafka, database) as at:
        await at.says("policy", "apply", str(policy))

        signed_up = await at.says(*SIGNUP, "--id", "s-1")
        seen = await at.says(*PAY, "--id", "p-1", "--preview", "--json")
        paid = json.loads(await at.says(*PAY, "--id", "p-1", "--json"))
        again = await at.says(*PAY, "--id", "p-1")
        clash = await at.runs("pay", "rahim", "7", "--method", "cash", "--id", "p-1", *BOSS)
        cancel = ("cancel", "rahim", "payment/p-1", "--reason", "typo", "--id", "x-1")
        cancelled = await at.says(*cancel, *BOSS)
        undone = await at.says("undo", "rahim", "x-1", "--reason", "no typo", *BOSS)
        waits = await at.says("pay", "nobody", "5.00", "--method", "cash", "--id", "p-9", *BOSS)
        withdraw = ("cancel", "nobody", "payment/p-9", "--reason", "typo", *BOSS)
        would = await at.says(*withdraw, "--preview")
        withdrew = await at.says(*withdraw)
        planned = await at.says(
            "change",
            "rahim",
            "--status",
            "suspended",
            "--vip",
            "--username",
            "r",
            "--effective-on",
            "2190-01-01",
            "--changed-at",
            "2026-01-20T11:00:00+06:00",
            *BOSS,
        )
        by_reference = await at.says("customers", "--reference", "trx 9 ")
        by_name = json.loads(await at.says("customers", "--name", "AHI", "--json"))
        owes = await at.says("explain", "rahim")
        nobody = await at.runs("customers", "--phone", "+1999")
        credited = await at.says("adjust", "rahim", "-100", "--reason", "router", *BOSS)
        rows = await at.fleet.rows("SELECT command_id FROM report.command ORDER BY recorded_at")

    assert signed_up.splitlines()[:2] == ["s-1", "accepted"]
    assert signed_up.splitlines()[3].split() == ["2026-01", "bill", "580.65", "0.00", "580.65"]
    assert credited.splitlines()[1] == "accepted"
    assert "adjustment" in credited
    assert clash.stdout.splitlines() == ["p-1", "conflicting_duplicate"]
    assert clash.exit_code == 1
    line = {"period": "2026-01", "kind": "payment", "billed": "580.65", "paid": "200.00",
            "due": "380.65"}  # fmt: skip
    assert json.loads(seen) == paid
    assert paid == {"id": "p-1", "outcome": "accepted", "reason": None, "sentence": None,
                    "lines": [line]}  # fmt: skip
    assert again.splitlines()[:2] == ["p-1", "accepted"], "as the first time: it is the same event"
    assert cancelled.splitlines()[:2] == ["x-1", "accepted"]
    assert "reversal" in undone
    assert waits.splitlines()[1] == "parked not_signed_up"
    withdrawn = "withdrawn: payment/p-9, which waited, will not be applied"
    assert would.splitlines() == ["would be accepted", withdrawn]
    assert withdrew.splitlines()[1:] == ["accepted", withdrawn]
    assert planned.splitlines()[1:] == [
        "accepted",
        "status: from 2190-01-01",
        "vip: for bills whose days begin on 2190-01-01 or later",
        "username: at once",
    ]
    assert by_reference.splitlines()[1].split()[:3] == ["rahim", "Rahim", "+8801711000001"]
    assert max(map(len, by_reference.splitlines())) <= 80
    assert [each["username"] for each in by_name] == ["r"]
    assert nobody.exit_code == 1
    assert "owes 380.65" in owes
    assert "2026-01  2026-01-17" in owes
    ids = [row[0] for row in rows]
    assert ids[:3] == ["signup/s-1", "payment/p-1", "cancellation/x-1"]
    assert len(ids) == 8


async def test_a_preview_changes_nothing_and_what_is_refused_ends_with_1(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        early = await at.runs(*PAY, "--preview")
        refused = await at.runs(*SIGNUP, "--id", "s-1")
        would = await at.runs(*SIGNUP, "--id", "s-2", "--preview")
        rows = await at.fleet.rows("SELECT command_id, reason FROM report.command")

    assert (early.exit_code, early.stdout.splitlines()[0]) == (0, "would be parked not_signed_up")
    assert (refused.exit_code, would.exit_code) == (1, 1)
    assert refused.stdout.splitlines() == ["s-1", "refused unknown_price"]
    assert "the price list has none" in refused.stderr
    assert "Nothing was sent." in would.stderr
    assert [tuple(row) for row in rows] == [("signup/s-1", "unknown_price")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pay", "rahim", "1.001", "--method", "cash", *BOSS), "amount: "),
        (("pay", "ra him", "1.00", "--method", "cash", *BOSS), "customer_id: "),
        (("pay", "rahim", "1.00", "--method", "cash"), "actor: "),
        (("bill-up-to", "rahim", "2026-02-30", *BOSS), "up_to: "),
        (("change", "rahim", "--until", "2020-01-01"), "until: must be after effective_on"),
        (("change", "rahim", "--extra", "ip", "--extra", "ip"), "extras: "),
        (("signup", "rahim", "--name", "R", "--phone", "1", "--package", "p", "--cycle",
          "anniversary"), "phone: "),
    ],
)  # fmt: skip
async def test_what_the_fleet_would_not_read_is_named_and_not_sent(
    kafka: Kafka, database: str, arguments: tuple[str, ...], words: str
) -> None:
    async with clerk(kafka, database) as at:
        result = await at.runs(*arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert "nothing was sent" in result.stderr
