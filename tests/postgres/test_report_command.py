"""What `report` prints, with a book and no Kafka."""

import csv
import io
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff
from tests.postgres.booked import Booked, pay, signup, tick
from tests.postgres.test_policy_command import run

BOSS = Policy(1, (), staff={"boss": Staff(PERMISSIONS)})  # type: ignore[arg-type]


@pytest.fixture
async def book(books: Booked) -> Booked:
    await books.play(
        BOSS,
        signup("rahim", "2026-01-01"),
        signup("karim", "2026-01-01"),
        tick("2026-01-01"),
        pay("p-1", "karim", 100_000, "2026-01-03"),
        tick("2026-02-01"),
    )
    await books.number()
    return books


async def test_aging_lists_who_owes_with_the_sum(book: Booked, database: str) -> None:
    found = await run(database, "report", "aging")

    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines() == [
        "customer      due  credit  not yet     0-30    31-60  61-90  over 90",
        "karim     1000.00    0.00     0.00  1000.00     0.00   0.00     0.00",
        "rahim     2000.00    0.00     0.00  1000.00  1000.00   0.00     0.00",
        "total     3000.00    0.00     0.00  2000.00  1000.00   0.00     0.00",
    ]


async def test_receipts_are_of_a_day_or_a_month(book: Booked, database: str) -> None:
    of_day = await run(database, "report", "receipts", "--day", "2026-01-01", "--json")
    of_month = await run(database, "report", "receipts", "--month", "2026-01", "--csv")
    of_now = await run(database, "report", "receipts")

    (row,) = json.loads(of_day.stdout)
    assert (row["actor"], row["amount"], row["received_on"]) == ("field-1", "1000.00", "2026-01-03")
    (row,) = csv.DictReader(io.StringIO(of_month.stdout))
    assert (row["kind"], row["count"], row["amount"]) == ("payment", "1", "1000.00")
    assert of_now.stdout == "nothing to report\n"


async def test_months_sales_and_tax_are_printed(book: Booked, database: str) -> None:
    month = f"{datetime.now(UTC).astimezone(ZoneInfo('Asia/Dhaka')):%Y-%m}"

    months = await run(database, "report", "month", "--month", "2026-01")
    sales = await run(database, "report", "sales", "--json")
    tax = await run(database, "report", "tax", "--json")

    assert months.stdout.splitlines()[-1].split() == ["2026-01", "4000.00", "1000.00", "3000.00"]
    assert json.loads(sales.stdout) == [
        {"month": month, "kind": "invoice", "documents": 4, "net": "4000.00", "vat": "0.00",
         "total": "4000.00"}
    ]  # fmt: skip
    (row,) = json.loads(tax.stdout)
    assert (row["code"], row["net"], row["tax"]) == ("", "4000.00", "0.00")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["profit"], 2, "'profit' is not one of"),
        (["month", "--month", "2026-13"], 2, "'2026-13' is not a month like 2026-02"),
        (["sales", "--month", "2150-01"], 1, "2150-01 is still to come"),
        (["receipts", "--day", "2150-01-01"], 1, "2150-01-01 is still to come"),
        (["sales", "--day", "2026-01-01"], 2, "--day is for receipts"),
        (["aging", "--month", "2026-01"], 2, "aging is as of the business date"),
        (["sales", "--csv", "--json"], 2, "--csv or --json, not both"),
    ],
)
async def test_what_cannot_be_reported_is_said_in_one_line(
    book: Booked, database: str, arguments: list[str], code: int, said: str
) -> None:
    found = await run(database, "report", *arguments)

    assert found.exit_code == code
    assert said in found.stderr
    assert "Traceback" not in found.stderr
