"""Tampering by a superuser who has lifted every guard: each attempt is found and named."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from shared.ledger.audit.seal import Seal, as_json, read_seal
from shared.ledger.line import GENESIS, chained
from shared.ledger.postgres import reports, sealing
from shared.ledger.postgres.auditing import copy_csv
from shared.ledger.postgres.save import LINE
from shared.ledger.postgres.statements import sql
from shared.operator.verify import verify
from tests.postgres.booked import bucket
from tests.postgres.kept import (
    Kept,
    adjustment,
    cancellation,
    discount,
    payment,
    signup,
)
from tests.postgres.shown import NOON, show

POLICY = """\
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
[[staff]]
id = "boss"
may = ["discount", "cancel", "adjust"]
"""
VERIFIER = Path(__file__).parents[2] / "deploy" / "verify_export.py"


class Sealed(NamedTuple):
    connection: asyncpg.Connection
    url: str
    seal: Seal
    heads: bytes

    async def tampered(self, *statements: str) -> None:
        for table in ("line", "command", "conflict", "policy", "seal", "terms"):
            await self.connection.execute(f"ALTER TABLE book.{table} DISABLE TRIGGER USER")
        for statement in statements:
            await self.connection.execute(statement)

    async def found(self, kept: bool = False) -> str | None:
        verified = await verify(
            self.connection, self.url, lambda done, total: None, self.seal if kept else None
        )
        return str(verified.fault) if verified.fault is not None else verified.seal

    async def rehashed(self, customer_id: str) -> None:
        """Make a customer's hashes fit his lines, as a forger does who knows the form."""
        previous = GENESIS
        for line in await reports.lines_of(self.connection, customer_id):
            previous = chained(line, previous)
            await self.connection.execute(
                "UPDATE book.line SET hash = $1 WHERE customer_id = $2 AND seq = $3",
                previous, customer_id, line.seq,
            )  # fmt: skip


@pytest.fixture
async def sealed(connection: asyncpg.Connection, database: str) -> Sealed:
    """Three customers over three months; refusals, corrections, and a seal that was kept."""
    kept = Kept(connection)
    await kept.policy(POLICY)
    for customer_id in ("karim", "rahim", "salma"):
        await kept.tell(
            signup(customer_id, "2026-01-17"),
            payment(f"{customer_id}-1", customer_id, "200.00", "2026-01-20", reference=customer_id),
            payment(f"{customer_id}-2", customer_id, "20.00", "2026-01-21", reference=customer_id),
            discount(f"{customer_id}-1", customer_id, "50.00", "2026-01"),
        )
    await kept.tick("2026-03-01")
    await kept.tell(
        adjustment("a-1", "rahim", "30.00", "2026-01"),
        cancellation("x-1", "rahim", "payment/rahim-1", "2026-03-02"),
        payment("rahim-3", "rahim", "70.00", "2026-03-03"),
    )
    heads: list[bytes] = []
    seal = await sealing.seal(connection, heads.append)
    await kept.tell(payment("later", "karim", "5.00", "2026-03-04"))
    return Sealed(connection, database, seal, b"".join(heads))


async def test_an_honest_book_has_nothing_to_find(sealed: Sealed) -> None:
    assert await sealed.found() is None
    assert await sealed.found(kept=True) is None, "what came later is not the seal's affair"


RAHIM = "WHERE customer_id = 'rahim'"
DISCOUNT = "WHERE command_id = 'discount/rahim-1'"
LAST = "(SELECT max(seq) FROM book.line WHERE customer_id = 'rahim')"
LATER = "UPDATE book.line SET recorded_at = recorded_at + interval '1 microsecond'"
SWAP = [
    "UPDATE book.line SET seq = 1000 WHERE customer_id = 'rahim' AND seq = 2",
    "UPDATE book.line SET seq = 2 WHERE customer_id = 'rahim' AND seq = 3",
    "UPDATE book.line SET seq = 3 WHERE customer_id = 'rahim' AND seq = 1000",
]


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        pytest.param(
            [f"UPDATE book.line SET paid = paid + 1, due = due - 1 {RAHIM} AND seq = 2"],
            "customer rahim, line 2: paid is 200.01, expected 200.00",
            id="edit",
        ),
        pytest.param(
            [f"{LATER} {RAHIM} AND seq = 3"],
            "customer rahim, line 3: hash is",
            id="edit-an-instant",
        ),
        pytest.param(
            [f"DELETE FROM book.line {RAHIM} AND seq = 2"],
            "customer rahim, line 3: seq is 3, expected 2",
            id="delete",
        ),
        pytest.param(SWAP, "customer rahim, line 2: ", id="swap"),
        pytest.param(
            [f"DELETE FROM book.line {RAHIM} AND seq = {LAST}"],
            "the line of payment/rahim-3 is missing, expected there: it was accepted",
            id="drop-a-tail",
        ),
        pytest.param(
            ["UPDATE book.command SET outcome = 'accepted', reason = NULL WHERE reason <> ''"],
            "the line of payment/karim-2 is missing",
            id="accept-what-was-refused",
        ),
        pytest.param(
            [f"UPDATE book.command SET outcome = 'refused', reason = 'x' {DISCOUNT}"],
            "the outcome of discount/rahim-1 is refused",
            id="refuse-what-was-accepted",
        ),
        pytest.param(
            [f"UPDATE book.command SET content = replace(content, '200.', '300.') {RAHIM}"],
            "customer rahim, line 2: paid is 200.00, expected 300.00",
            id="change-what-was-asked",
        ),
        pytest.param(
            ["UPDATE book.command SET reason = 'not_permitted' WHERE reason IS NOT NULL"],
            "the outcome of payment/karim-2 is refused: not_permitted, expected accepted",
            id="change-a-reason",
        ),
        pytest.param(
            ["DELETE FROM book.command WHERE command_id = 'payment/rahim-2'"],
            "commands up to seal 1 are",
            id="drop-an-outcome",
        ),
        pytest.param(
            ["UPDATE book.policy SET source = replace(source, '\"5\"', '\"6\"')"],
            "customer karim, line 1: vat is 24.19, expected 29.03",
            id="change-a-rate",
        ),
        pytest.param(
            ["UPDATE book.policy SET source = replace(source, 'boss', 'thief')"],
            "the outcome of discount/karim-1 is accepted, expected refused: not_permitted",
            id="change-who-may",
        ),
        pytest.param(
            ["UPDATE book.policy SET source = source || E'\\n[billing]\\ngrace_days = 10\\n'"],
            "the root over policy versions up to seal 1 is",
            id="change-what-no-amount-tells",
        ),
        pytest.param(
            ["UPDATE book.account SET opening_due = 5 WHERE customer_id = 'salma'"],
            "opening_due is 0.05, expected 0.00",
            id="change-an-account",
        ),
        pytest.param(
            [
                """
                UPDATE book.terms
                SET content = made.content,
                    digest = sha256(convert_to(made.content::text, 'UTF8'))
                FROM (
                    SELECT terms_id, jsonb_set(content, '{vip,0,1}', 'true') AS content
                    FROM book.terms
                ) AS made
                WHERE made.terms_id = terms.terms_id
                """
            ],
            "customer karim, line 7: terms of the account is",
            id="change-terms",
        ),
        pytest.param(
            [
                f"DELETE FROM book.{table} WHERE customer_id = 'salma'"
                for table in ("line", "command", "account")
            ],
            "customers up to seal 1 are 2, expected 3",
            id="drop-a-customer",
        ),
        pytest.param(
            ["UPDATE book.seal SET lines = lines - 1"], "the hash of seal 1 is", id="edit-a-seal"
        ),
    ],
)
async def test_it_is_found_and_named(sealed: Sealed, statements: list[str], named: str) -> None:
    await sealed.tampered(*statements)

    assert named in (await sealed.found() or "nothing")


async def test_ranges_in_processes_of_their_own_find_the_first_broken_line(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.ledger.postgres.verifying.LINES_PER_RANGE", 1)
    assert await sealed.found() is None

    await sealed.tampered("UPDATE book.line SET actor = 'thief' WHERE kind = 'payment'")

    assert "customer karim, line 2: actor is thief" in (await sealed.found() or "")


async def test_a_line_put_in_the_middle_is_found(sealed: Sealed) -> None:
    """A payment that nobody made, with every later seq moved and every hash made to fit."""
    lines = await reports.lines_of(sealed.connection, "rahim")
    later = f"{RAHIM} AND seq > 2 AND period = '2026-01'"
    await sealed.tampered(
        f"UPDATE book.line SET revision = revision + 1000 {later}",
        f"UPDATE book.line SET seq = seq + 1000 {RAHIM} AND seq > 2",
    )
    forged = lines[1]._replace(
        seq=3, revision=2, paid=30_000, due=lines[1].due - 10_000, command_id="payment/forged"
    )
    await sealed.connection.copy_records_to_table(
        "line", schema_name="book", columns=LINE, records=[(*forged, bucket("rahim"))]
    )
    await sealed.tampered(
        f"UPDATE book.line SET revision = revision - 999 {RAHIM} AND revision > 1000",
        f"UPDATE book.line SET seq = seq - 999 {RAHIM} AND seq > 1000",
    )
    await sealed.rehashed("rahim")

    found = await sealed.found()

    assert found is not None
    assert "customer rahim, line 3: command_id is payment/forged" in found


async def test_a_perfect_forgery_is_found_with_the_seal_that_was_kept(sealed: Sealed) -> None:
    """A payment with its command, its line and the seals themselves gone: nothing in the book
    tells, the seal on paper does."""
    await sealed.tampered(
        f"DELETE FROM book.line {RAHIM} AND command_id = 'payment/rahim-3'",
        "DELETE FROM book.command WHERE command_id = 'payment/rahim-3'",
        "DELETE FROM book.seal",
    )
    await sealing.seal(sealed.connection)

    assert await sealed.found() is None
    assert (await sealed.found(kept=True) or "").startswith("seal 1 of ")


async def test_a_seal_made_anew_over_a_forgery_is_not_the_one_that_was_kept(
    sealed: Sealed,
) -> None:
    await sealed.tampered(
        f"DELETE FROM book.line {RAHIM} AND command_id = 'payment/rahim-3'",
        "DELETE FROM book.command WHERE command_id = 'payment/rahim-3'",
    )
    found = await sealed.found(kept=True)

    assert found is not None
    assert f"lines up to seal 1 are {sealed.seal.lines - 1}, expected {sealed.seal.lines}" in found


async def test_a_seal_is_due_once_a_day_after_a_run(
    sealed: Sealed, connection: asyncpg.Connection
) -> None:
    due = sql("seal_due")
    await sealed.tampered("DELETE FROM book.seal")
    await show(connection, NOON)
    await connection.execute("UPDATE book.run SET finished_at = $1", NOON - timedelta(hours=1))
    assert await connection.fetchval(due), "there is none"

    await sealing.seal(connection)
    await show(connection, NOON + timedelta(days=1))
    assert not await connection.fetchval(due), "no run has ended since"
    await connection.execute("UPDATE book.run SET finished_at = $1", NOON + timedelta(hours=1))
    await show(connection, NOON + timedelta(hours=2))
    assert not await connection.fetchval(due), "today has its seal"
    await show(connection, NOON + timedelta(hours=12) - timedelta(seconds=1))
    assert not await connection.fetchval(due), "it is today until midnight in Dhaka"
    await show(connection, NOON + timedelta(hours=12))
    assert await connection.fetchval(due)

    await connection.execute(
        "INSERT INTO book.run (tick_id, period, as_of, trigger)"
        " VALUES ('at-work', '2026-03', '2026-03-02', 'manual')"
    )
    assert not await connection.fetchval(due), "a run is at work"


def test_a_seal_that_was_changed_is_no_seal() -> None:
    with pytest.raises(ValueError, match="not a seal"):
        read_seal("{}")


async def test_a_seal_reads_back(sealed: Sealed) -> None:
    said = as_json(sealed.seal)

    assert read_seal(json.dumps(said)) == sealed.seal
    with pytest.raises(ValueError, match="was changed"):
        read_seal(json.dumps(said | {"customers": 4}))


async def test_the_stand_alone_verifier_agrees_and_names_a_changed_line(
    sealed: Sealed, tmp_path: Path
) -> None:
    ledger, heads, seal = (tmp_path / name for name in ("ledger.csv", "heads.csv", "seal.json"))
    with ledger.open("wb") as file:
        await copy_csv(sealed.connection, file.write, "audit")
    heads.write_bytes(sealed.heads)
    seal.write_text(json.dumps(as_json(sealed.seal)))
    rows = ledger.read_text("utf-8").splitlines(keepends=True)

    honest = _checked(ledger, heads, seal)
    ledger.write_text(
        "".join(row.replace("200.00", "1").replace(",20000,", ",20001,") for row in rows)
    )
    edited = _checked(ledger)
    ledger.write_text("".join(row for row in rows if not row.startswith("salma")))
    dropped = _checked(ledger, heads, seal)

    assert (honest.returncode, honest.stderr) == (0, "")
    assert "3 heads as they were sealed" in honest.stdout
    assert edited.returncode == dropped.returncode == 1
    assert "customer karim, line 2: hash is" in edited.stderr
    assert "customer salma, line" in dropped.stderr


def test_the_stand_alone_verifier_explains_itself() -> None:
    explained, wrong = _checked("--help"), _checked()

    assert (explained.returncode, wrong.returncode) == (0, 2)
    assert "python3 verify_export.py ledger.csv [heads.csv seal.json]" in explained.stdout
    assert "usage: verify_export.py ledger.csv" in wrong.stderr


def _checked(*files: Path | str) -> Any:
    return subprocess.run(
        [sys.executable, "-I", VERIFIER, *files], capture_output=True, text=True, check=False
    )
