"""The command line on a real fleet, as a clerk would use it."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from services.console.main import main
from shared.embedded import Kafka
from tests.support.live import Live, live
from tests.support.patience import PATIENT, settle, until

POLICY = """\
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
[[staff]]
id = "boss"
may = ["discount", "cancel"]
"""
SIGNUP = {
    "customer_id": "rahim",
    "signed_up_at": "2026-01-17T10:00:00+06:00",
    "joined_on": "2026-01-17",
    "name": "Rahim",
    "phone": "+8801711000001",
    "package": {"code": "home", "price": "1000.00"},
    "cycle": {"kind": "start_of_month"},
}
PAYMENT = {
    "payment_id": "p-1",
    "customer_id": "rahim",
    "amount": "200.00",
    "method": "cash",
    "channel": "field",
    "received_at": "2026-01-20T10:00:00+06:00",
    "actor": "field-3",
}


class Clerk:
    """Presses keys: runs a command as a process of its own would, and looks at what it says."""

    def __init__(self, fleet: Live) -> None:
        self.fleet = fleet

    async def runs(self, *arguments: str, stdin: str | bytes | None = None) -> Result:
        env = {
            "ROLLFORWARD_KAFKA": self.fleet.kafka,
            "ROLLFORWARD_DATABASE_URL": self.fleet.url,
            "ROLLFORWARD_DATA": "",
        }
        runner = CliRunner()
        return await asyncio.to_thread(runner.invoke, main, arguments, env=env, input=stdin)

    async def says(self, *arguments: str, stdin: str | bytes | None = None) -> str:
        result = await self.runs(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    async def publishes(self, *events: Mapping[str, Any], anyway: bool = False) -> None:
        lines = "\n".join(json.dumps(event) for event in events)
        options = ["--anyway"] if anyway else []
        said = await self.says("publish", "-", "--json", *options, stdin=lines)
        assert json.loads(said) == {"published": len(events)}
        await self.settles()

    async def settles(self) -> None:
        await settle(self.fleet.kafka, self.fleet.url)

    async def ticks(self, day: str, *options: str) -> list[str]:
        """Tick for a day; return the tick's id and what became of it."""
        return (await self.says("tick", "--as-of", day, *options, *PATIENT)).split()


@asynccontextmanager
async def clerk(kafka: Kafka, database: str) -> AsyncIterator[Clerk]:
    async with live(kafka.bootstrap, database) as fleet:
        yield Clerk(fleet)


def event(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    said = {"specversion": "1.0", "id": "e-1", "source": "test", "type": kind}
    return {**said, "data": dict(data)}


SIGNED_UP = event("billing.customer.signed_up.v1", SIGNUP)
PAID = event("billing.payment.received.v1", PAYMENT)


async def test_a_clerk_s_morning(kafka: Kafka, database: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)

    async with clerk(kafka, database) as at:
        assert "policy version 1 applied\n" in await at.says("policy", "apply", str(policy))
        assert "unchanged" in await at.says("policy", "apply", str(policy))
        assert (await at.says("policy", "show")).strip() == POLICY.strip()
        await at.publishes(SIGNED_UP)
        await at.publishes(PAID)
        tick_id, judged = await at.ticks("2026-02-01")
        await at.says("settle", *PATIENT)

        statement = json.loads(await at.says("statement", "rahim", "--json"))
        told = await at.says("statement", "rahim")
        explained = json.loads(await at.says("explain", "rahim", "2026-01", "--json"))
        story = await at.says("explain", "rahim", "2026-01")

        assert judged == "accepted"
        assert [row["due"] for row in statement] == ["308.06", "1358.06"]
        assert "Rahim" in told
        assert "1358.06" in told
        assert [step["kind"] for step in explained] == ["bill", "payment"]
        assert explained[0]["pricing"]["days"][0]["cost"] == "15000/31"
        assert explained[0]["pricing"]["taxes"][0]["amount"] == "24.19"
        assert "15 of 31 days of 1000.00 (home)" in story
        (run,) = await at.fleet.rows("SELECT tick_id, status FROM report.run")
        assert tuple(run) == (tick_id, "done")
        assert "all is right: 3 lines of 1 customer\n" in await at.says("verify")


async def test_a_statement_as_of_an_instant_is_what_was_known_then(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        (then,) = await at.fleet.rows("SELECT clock_timestamp() AS instant")
        await at.publishes(PAID)

        instant = then["instant"].isoformat()
        known = json.loads(await at.says("statement", "rahim", "--as-of", instant, "--json"))
        now = json.loads(await at.says("statement", "rahim", "--json"))

    assert [row["paid"] for row in known] == ["0.00"]
    assert [row["paid"] for row in now] == ["200.00"]


async def test_a_statement_shows_money_and_plans_and_the_customer_of_then(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.replace('"cancel"', '"cancel", "price"'))
    asked = {"customer_id": "rahim", "actor": "boss"}
    change = {"change_id": "h-1", "changed_at": "2026-01-21T10:00:00+06:00",
              "effective_on": "2026-03-01", "package": {"code": "fast", "price": "2000.00"},
              **asked}  # fmt: skip
    renamed = {"change_id": "h-2", "changed_at": "2026-01-21T10:00:00+06:00",
               "effective_on": "2026-01-17", "name": "Rahima", **asked}  # fmt: skip
    other = {**PAYMENT, "payment_id": "p-2", "amount": "5.00"}
    cancelled = {"cancellation_id": "x-1", "requested_at": "2026-01-22T10:00:00+06:00",
                 "cancels": "payment/p-2", "reason": "typo", **asked}  # fmt: skip
    async with clerk(kafka, database) as at:
        (before,) = await at.fleet.rows("SELECT clock_timestamp() AS instant")
        await at.says("policy", "apply", str(policy))
        await at.publishes(SIGNED_UP, PAID)
        (then,) = await at.fleet.rows("SELECT clock_timestamp() AS instant")
        await at.publishes(
            event("billing.customer.changed.v1", change),
            event("billing.customer.changed.v1", renamed),
            event("billing.payment.received.v1", other),
            event("billing.cancellation.requested.v1", cancelled),
        )
        await at.ticks("2026-02-01")
        await at.settles()
        now = await at.says("statement", "rahim")
        wide = await at.says("statement", "rahim", "--wide")
        known = await at.says("statement", "rahim", "--as-of", then["instant"].isoformat())
        unborn = await at.says("statement", "rahim", "--as-of", before["instant"].isoformat())

    assert max(map(len, now.splitlines())) <= 80
    assert now.startswith("rahim  Rahima  +8801711000001\n")
    assert known.startswith("rahim  Rahim  +8801711000001\n"), "the name of then"
    money, plans = now.split("payments and refunds\n")[1].split("planned changes\n")
    rows = [line.split() for line in money.strip().splitlines()]
    assert rows[1:] == [
        ["2026-01-20", "200.00", "cash,", "field", "-", "payment/p-1"],
        ["2026-01-20", "5.00", "cash,", "field", "-", "payment/p-2", "(cancelled)"],
    ]
    assert plans.splitlines()[1].split() == ["2026-03-01", "package", "fast", "at", "2000.00"]
    assert "p-2" not in known
    assert "planned" not in known
    assert "24.19" in wide, "the VAT"
    assert "24.19" not in now
    assert unborn.startswith("rahim had not signed up then\n")


async def test_what_is_not_there_is_exit_code_1(kafka: Kafka, database: str) -> None:
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)

        for arguments in (
            ("statement", "karim"),
            ("explain", "karim", "2026-01"),
            ("explain", "rahim", "2027-01"),
            ("policy", "show", "--version", "7"),
        ):
            result = await at.runs(*arguments)

            assert result.exit_code == 1
            assert len(result.stderr.splitlines()) == 1


async def test_a_day_after_today_needs_allow_gap(kafka: Kafka, database: str) -> None:
    async with clerk(kafka, database) as at:
        refused = await at.runs("tick", "--as-of", "2199-01-01")

        assert refused.exit_code == 2
        assert "--allow-gap" in refused.stderr
        assert "accepted" in await at.ticks("2199-01-01", "--allow-gap")


async def test_a_run_without_a_policy_is_warned_of(
    kafka: Kafka, database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    async with clerk(kafka, database) as at:
        bare = await at.runs("tick", "--as-of", "2026-01-01", "--allow-gap", *PATIENT)
        logged = [each.getMessage() for each in caplog.records if "no policy" in each.getMessage()]
        caplog.clear()
        await at.says("policy", "apply", str(policy))
        ruled = await at.runs("tick", "--as-of", "2026-01-02", *PATIENT)

    assert (bare.exit_code, ruled.exit_code) == (0, 0)
    assert "no policy was ever applied" in bare.stderr
    assert len(logged) == 1
    assert "no policy" not in ruled.stderr + caplog.text


async def test_exports_hold_every_line(kafka: Kafka, database: str, tmp_path: Path) -> None:
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        await at.publishes(PAID)
        said = await at.says("export", "--format", "csv")
        file = tmp_path / "ledger.parquet"
        await at.says("export", "--format", "parquet", "--output", str(file))
        rows = await at.fleet.rows("SELECT * FROM report.ledger ORDER BY seq")

    read = list(csv.DictReader(io.StringIO(said)))
    table = pq.read_table(file)
    assert list(read[0]) == table.column_names == list(rows[0].keys())
    assert [row["due"] for row in read] == [str(row["due"]) for row in rows]
    assert table.column("due").to_pylist() == [row["due"] for row in rows]
    assert [row["hash"] for row in read] == [row["hash"].hex() for row in rows]


async def test_no_text_of_a_csv_export_runs_as_a_formula(kafka: Kafka, database: str) -> None:
    texts = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "plain - text")
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        await at.publishes(
            *(
                event(PAID["type"], {**PAYMENT, "payment_id": f"p-{n}", "actor": text})
                for n, text in enumerate(texts)
            )
        )
        said = await at.says("export", "--format", "csv")
        kept = await at.fleet.rows(
            "SELECT actor FROM report.ledger WHERE kind = 'payment' ORDER BY seq"
        )

    read = [row["actor"] for row in csv.DictReader(io.StringIO(said)) if row["kind"] == "payment"]
    assert read == [*(f"'{text}" for text in texts[:-1]), texts[-1]]
    assert [row["actor"] for row in kept] == list(texts)


async def test_verify_names_a_line_that_was_edited_behind_our_back(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        await at.publishes(PAID)
        await _tamper(database)

        result = await at.runs("verify")

    assert result.exit_code == 1
    assert "customer rahim, line 2: actor is someone, expected field-3" in result.stderr


async def test_a_seal_that_was_kept_names_the_customer_who_was_dropped(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    seal, heads = str(tmp_path / "seal.json"), str(tmp_path / "heads.csv")
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        await at.publishes(PAID)
        made = await at.runs("seal", "--out", seal, "--heads", heads)
        assert made.stderr == f"seal 1 is in {seal}, its heads in {heads}\n"
        await at.says("verify", "--seal", seal, "--heads", heads)
        rehearsed = await at.says("rehearse", "--as-of", "2026-02-01")
        connection = await asyncpg.connect(database)
        for table in ("line", "command"):
            await connection.execute(f"ALTER TABLE book.{table} DISABLE TRIGGER append_only")
        for table in ("line", "command", "account"):
            await connection.execute(f"DELETE FROM book.{table} WHERE customer_id = 'rahim'")
        await connection.close()

        result = await at.runs("verify", "--seal", seal, "--heads", heads)

    assert "nothing was written" in rehearsed
    assert result.exit_code == 1
    assert "customers up to seal 1 are 0, expected 1" in result.stderr
    assert "expected rahim," in result.stderr


async def _tamper(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("ALTER TABLE book.line DISABLE TRIGGER append_only")
    await connection.execute("UPDATE book.line SET actor = 'someone' WHERE seq = 2")
    await connection.close()


async def test_settle_says_what_is_not_done(kafka: Kafka, database: str) -> None:
    others = ("coordinator", "generator", "notifier", "relay")
    async with live(kafka.bootstrap, database, workers=others) as fleet:
        at = Clerk(fleet)
        await at.says("publish", "-", stdin=json.dumps(PAID))

        missing = ["the collector has 1 record of billing.payments.v1 before it"]

        async def is_said() -> bool:
            result = await at.runs("settle", "--timeout", "1", "--json")
            assert result.exit_code == 1
            return bool(json.loads(result.stdout) == {"settled": False, "missing": missing})

        await until(is_said, f"settle to say {missing}")


async def test_without_a_dead_letter_there_is_nothing_to_list_or_replay(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        assert json.loads(await at.says("dlq", "list", "--json")) == []
        pressed = json.loads(await at.says("dlq", "replay", "--json"))
        assert "0" in await at.says("positions", "set-aside", "billing.payments.v1")

    assert pressed == {"replayed": 0, "applied_already": 0, "unreadable": 0}


@pytest.mark.parametrize(
    "arguments",
    [
        ("statement", "c-\udcff"),
        ("explain", "c-\udcff", "2026-01"),
        ("refusals", "c-\udcff"),
        ("customers", "--name", "c-\udcff"),
        ("customers", "--reference", "c-\udcff"),
    ],
    ids=["statement", "explain", "refusals", "name", "reference"],
)
async def test_what_cannot_be_asked_of_a_database_is_exit_code_2(
    database: str, arguments: tuple[str, ...]
) -> None:
    servers = {"ROLLFORWARD_KAFKA": "127.0.0.1:1", "ROLLFORWARD_DATABASE_URL": database}
    done = await asyncio.to_thread(
        CliRunner().invoke, main, arguments, env=servers | {"ROLLFORWARD_DATA": ""}
    )

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "cannot be asked" in line


async def test_a_dead_letter_is_listed_and_replayed_only_when_it_can_be_read(
    kafka: Kafka, database: str
) -> None:
    broken = event("billing.payment.received.v1", {**PAYMENT, "amount": 200})
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        await at.publishes(broken, anyway=True)

        (letter,) = json.loads(await at.says("dlq", "list", "--json"))
        pressed = [json.loads(await at.says("dlq", "replay", "--json")) for _ in range(2)]
        await at.settles()
        left = json.loads(await at.says("dlq", "list", "--json"))

    assert letter["topic"] == "billing.payments.v1"
    assert letter["now"] == "unreadable"
    assert json.loads(letter["value"]) == broken
    assert pressed == [{"replayed": 0, "applied_already": 0, "unreadable": 1}] * 2
    assert len(left) == 1


async def test_retry_releases_a_customer_and_applies_what_waited(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        await at.fleet.rows(
            "INSERT INTO book.quarantine SELECT 'rahim', 'x', now(), bucket"
            " FROM book.account WHERE customer_id = 'rahim'"
        )
        await at.publishes(PAID)
        parked = json.loads(await at.says("parked", "--json"))

        (first,) = json.loads(await at.says("quarantine", "retry", "--json"))
        second = json.loads(await at.says("quarantine", "retry", "--json"))
        statement = json.loads(await at.says("statement", "rahim", "--json"))

    assert [row["reason"] for row in parked] == ["quarantined"]
    assert (first["result"], first["applied"]) == ("released", 1)
    assert second == []
    assert [row["paid"] for row in statement] == ["200.00"]


async def test_an_unreadable_letter_is_replayed_once_however_often_it_is_pressed(
    kafka: Kafka, database: str
) -> None:
    press = ("dlq", "replay", "--unreadable", "--json")
    async with clerk(kafka, database) as at:
        for amount in (200, 300):
            broken = {**PAYMENT, "payment_id": f"p-{amount}", "amount": amount}
            await at.publishes(event("billing.payment.received.v1", broken), anyway=True)
        before = json.loads(await at.says("dlq", "list", "--json"))

        pressed = [json.loads(await at.says(*press))["replayed"] for _ in range(3)]
        await at.says("settle")
        after = json.loads(await at.says("dlq", "list", "--json"))
        named = json.loads(await at.says(*press, after[2]["letter"]))["replayed"]
        again = json.loads(await at.says(*press, after[0]["letter"]))["replayed"]

    assert pressed == [2, 0, 0]
    names = [each["letter"] for each in before]
    assert [each["letter"] for each in after if each["replay_of"] is None] == names
    came_back = [each for each in after if each["replay_of"] is not None]
    assert [each["replay_of"] for each in came_back] == names
    assert [each["came_back_as"] for each in after[:2]] == [each["letter"] for each in came_back]
    assert [each["value"] for each in came_back] == [each["value"] for each in before]
    assert (named, again) == (1, 0), "what came back is sent again only when it is named"


async def test_a_replay_of_unreadable_letters_waits_for_the_fleet_or_sends_nothing(
    kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.operator.settle.settle.__defaults__", (0.5, None))
    others = ("coordinator", "generator", "notifier", "relay")
    async with live(kafka.bootstrap, database, workers=others) as fleet:
        at = Clerk(fleet)
        await at.says("publish", "-", stdin=json.dumps(PAID))

        result = await at.runs("dlq", "replay", "--unreadable")

    assert result.exit_code == 1
    assert "nothing was sent" in result.stderr
    assert "the collector has 1 record" in result.stderr


async def test_retry_of_somebody_who_is_not_quarantined_is_exit_code_1_and_says_who(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        other = {**SIGNED_UP, "id": "e-2", "data": {**SIGNUP, "customer_id": "karim"}}
        await at.publishes(other)
        await at.fleet.rows(
            "INSERT INTO book.quarantine SELECT 'karim', 'x', now(), bucket"
            " FROM book.account WHERE customer_id = 'karim'"
        )

        result = await at.runs("quarantine", "retry", "rahim", "karim", "rahmi", "--json")

    assert result.exit_code == 1
    assert [(each["customer_id"], each["result"]) for each in json.loads(result.stdout)] == [
        ("rahim", "not quarantined"),
        ("karim", "released"),
        ("rahmi", "unknown"),
    ]
    assert "(not quarantined: rahim; unknown: rahmi)" in result.stderr


TAMPERED = {
    "hledger": ("line rahim 1", "policy_version = 77, bill_policy_version = 77"),
    "parquet": ("a line of the ledger", "charge = 2000000000000000000"),
    "csv": ("a line of the ledger", "charge = 9000000000000000000, vat = 9000000000000000000"),
}


@pytest.mark.parametrize("kind", TAMPERED)
async def test_an_export_of_a_tampered_line_names_it_and_leaves_the_file_as_it_was(
    kafka: Kafka, database: str, tmp_path: Path, kind: str
) -> None:
    kept, fresh = tmp_path / "kept", tmp_path / "fresh"
    kept.write_text("of yesterday")
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        await at.publishes(PAID)
        await at.fleet.rows("ALTER TABLE book.line DISABLE TRIGGER USER")
        await _without_checks(at.fleet)
        await at.fleet.rows(f"UPDATE book.line SET {TAMPERED[kind][1]} WHERE seq = 1")

        results = [
            await at.runs("export", "--format", kind, "--output", str(file))
            for file in (kept, fresh)
        ]
        await at.fleet.rows("ALTER TABLE book.command DISABLE TRIGGER USER")
        await at.fleet.rows("UPDATE book.command SET content = '{}'")
        explained = await at.runs("explain", "rahim", "2026-01")

    for result in results:
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert f"{TAMPERED[kind][0]} is not as Rollforward writes it" in line
        assert "`rollforward verify`" in line
    assert kept.read_text() == "of yesterday"
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]
    assert explained.exit_code == 1
    assert "a row of rahim in the book is not as Rollforward writes it" in explained.stderr


async def _without_checks(fleet: Live) -> None:
    """Drop what the table itself would refuse: its checks and its key to the policies."""
    names = await fleet.rows(
        "SELECT conname FROM pg_constraint"
        " WHERE conrelid = 'book.line'::regclass AND contype IN ('c', 'f')"
    )
    for (name,) in names:
        await fleet.rows(f'ALTER TABLE book.line DROP CONSTRAINT "{name}"')
