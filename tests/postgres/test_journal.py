"""The journal: hledger, a program that is not ours, accepts it and finds the same receivables."""

import shutil
import subprocess
from pathlib import Path

import asyncpg
import pytest

from shared.exports.hledger import write_journal
from tests.postgres.kept import (
    Kept,
    adjustment,
    cancellation,
    discount,
    payment,
    refund,
    signup,
)

CUSTOMERS = 2000
POLICY = """\
[[tax]]
code = "SD"
rate = "10"
from = 2020-01-01
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
on = ["SD"]
[[staff]]
id = "boss"
may = ["discount", "cancel", "adjust"]
"""


async def test_hledger_finds_the_same_receivables(
    connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """2,000 customers over 24 months, with payments and corrections among them."""
    hledger = shutil.which("hledger")
    if hledger is None:
        pytest.skip("hledger is not installed here: apt-get install hledger")
    kept = Kept(connection)
    await kept.policy(POLICY)
    names = [f"c-{number:04d}" for number in range(CUSTOMERS)]
    await kept.tell(
        *(signup(name, "2024-01-17", opening_due="12.50") for name in names[:50]),
        *(signup(name, "2024-01-01") for name in names[50:]),
    )
    await kept.tick("2025-12-01")
    for method in ("cash", "bkash"):
        await kept.tell(
            *(
                payment(f"{method}-{name}", name, "777.77", "2025-03-05", method=method)
                for name in names[::3]
            )
        )
    for name in names[:20]:
        await kept.tell(
            discount(f"d-{name}", name, "33.33", "2025-02"),
            adjustment(f"a-{name}", name, "-10.01", "2025-04"),
            cancellation(f"x-{name}", name, f"bill/{name}/2025-02", "2025-12-02"),
            cancellation(f"y-{name}", name, f"payment/cash-{name}", "2025-12-02"),
            cancellation(f"z-{name}", name, f"cancellation/x-{name}", "2025-12-02"),
        )
    journal = tmp_path / "book.journal"

    with journal.open("wb") as file:
        await write_journal(connection, file.write)

    checked = _run(hledger, journal, "check", "--strict")
    assert checked == ""
    balances = _run(hledger, journal, "balance", "assets:receivable", "--flat", "-N", "-O", "csv")
    found = {
        account.removeprefix("assets:receivable:"): amount.removesuffix(" BDT")
        for account, amount in (
            row.strip().strip('"').split('","') for row in balances.splitlines()[1:]
        )
    }
    rows = await connection.fetch("SELECT customer_id, due::text FROM report.customer")
    assert found == {row["customer_id"]: row["due"] for row in rows if row["due"] != "0.00"}
    assert len(rows) == CUSTOMERS


async def test_no_account_of_cash_gives_out_what_it_never_got(
    connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """A refund names its payment and leaves the account of its method; credit what came last."""
    hledger = shutil.which("hledger")
    if hledger is None:
        pytest.skip("hledger is not installed here: apt-get install hledger")
    kept = Kept(connection)
    await kept.policy(POLICY.replace('"adjust"', '"adjust", "refund"'))
    await kept.tell(
        signup("rahim", "2026-01-01", "100.00", opening_due="-20.00", actor="boss"),
        payment("p-1", "rahim", "300.00", "2026-01-02", method="bkash"),
        payment("p-2", "rahim", "50.00", "2026-01-03"),
        refund("r-1", "rahim", "40.00", payment_id="p-1"),
        refund("r-2", "rahim", "60.00"),
        refund("r-3", "rahim", "30.00"),
        cancellation("x-1", "rahim", "refund/r-3", "2026-01-06"),
    )
    journal = tmp_path / "book.journal"

    with journal.open("wb") as file:
        await write_journal(connection, file.write)

    assert _run(hledger, journal, "check", "--strict") == ""
    assert _cash(hledger, journal) == {"assets:cash:bkash": "250.00", "assets:cash:cash": "0"}
    assert "rahim refund 2026-01 of payment/p-1\n" in journal.read_text()
    for day in ("2026-01-03", "2026-01-04", "2026-01-05", "2026-01-06"):
        assert not any("-" in held for held in _cash(hledger, journal, "-e", day).values())


def _cash(hledger: str, journal: Path, *arguments: str) -> dict[str, str]:
    said = _run(
        hledger, journal, "balance", "assets:cash", "-E", "--flat", "-N", "-O", "csv", *arguments
    )
    rows = (row.strip('"').split('","') for row in said.splitlines()[1:])
    return {account: amount.removesuffix(" BDT") for account, amount in rows}


def _run(hledger: str, journal: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [hledger, "-f", journal, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"LANG": "C.UTF-8"},
    )
    assert ran.returncode == 0, ran.stderr[:2000]
    return ran.stdout
