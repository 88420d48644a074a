"""Documents in the book: on random histories each line has the paper that the rules name, numbered
without gap, its VAT split to the last minor unit."""

import random
from collections import defaultdict
from typing import Any

import asyncpg
import pytest

from shared.ledger.documents import paper_of, shown, splits
from shared.ledger.line import Line
from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff
from shared.ledger.postgres.papers_verified import papers_fault, series_fault
from shared.ledger.postgres.statements import line_columns
from tests.postgres.booked import Booked, adjust, pay, signup, tick
from tests.support.histories import VAT_NEW, history

DOCUMENTS = """
    SELECT
        document.kind, document.year, document.number, document.customer_id, document.seq,
        document.net, document.vat, document.taxes, document.refers_to,
        book.document_number(document.prefix, document.kind, document.year, document.number)
            AS printed
    FROM book.document
    ORDER BY document.kind, document.year, document.number
"""


@pytest.mark.parametrize("seed", range(500, 512), ids=lambda seed: f"seed-{seed}")
async def test_each_line_has_the_document_that_the_rules_name(books: Booked, seed: int) -> None:
    chosen = random.Random(seed)
    for step in history(seed, size=60).steps:
        await books.play(step)
        if chosen.random() < 0.2:
            await books.number(chosen.choice([1, 3, 50]))
    while await books.number(50):
        pass

    rows = await books.connection.fetch(DOCUMENTS)
    found = {(row["customer_id"], row["seq"]): row for row in rows}
    components = {
        row["tax_id"]: (row["code"], row["rate_ppm"])
        for row in await books.connection.fetch("SELECT * FROM book.tax")
    } | {0: ("", 0)}
    printed = {key: row["printed"] for key, row in found.items()}
    expected = 0
    for customer_id, account in books.accounts.items():
        lines = [Line(*row) for row in await _lines(books, customer_id)]
        by_period: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            by_period[line.period].append(line)
        assert len(by_period) == len(account.periods)
        for period in by_period.values():
            made = splits(period, books.policies)
            before: Line | None = None
            for line in period:
                paper = paper_of(line, before)
                row = found.get((customer_id, line.seq))
                if paper is None:
                    assert row is None
                else:
                    assert row is not None, line
                    expected += 1
                    assert row["kind"] == paper.kind
                    assert (row["net"], row["vat"]) == (paper.net, paper.vat)
                    refers_to = printed.get((customer_id, paper.refers_to_seq))
                    assert row["refers_to"] == refers_to
                    split = shown(made[line.seq], line, before)
                    assert _split(row["taxes"], components) == (
                        {} if paper.kind == "receipt" else dict(split)
                    )
                    assert sum(part.tax for part in split.values()) == row["vat"]
                before = line
    assert len(rows) == expected
    assert await wrong(books) is None
    _without_gap(rows)
    assert await books.rows("SELECT * FROM report.reconciliation") == [(0,) * 7]


async def wrong(books: Booked) -> str | None:
    fault = await papers_fault(books.connection, "", None, books.policies)
    fault = fault or await series_fault(books.connection)
    return None if fault is None else str(fault)


A_NOTE = "WHERE kind = 'credit_note'"
AN_INVOICE = "WHERE kind = 'invoice' AND number = 2"
TAMPERED = {
    "gone": ("DELETE FROM book.document " + AN_INVOICE, "the document is none"),
    "net": ("UPDATE book.document SET net = net + 1 " + AN_INVOICE, "net of INV-2026-000002"),
    "vat": ("UPDATE book.document SET vat = vat + 1 " + AN_INVOICE, "VAT of INV-2026-000002"),
    "taxes": ("UPDATE book.document SET taxes[3] = 1 " + AN_INVOICE, "the sum of the taxes of"),
    "split": (
        "UPDATE book.document SET taxes = taxes || ARRAY[0, 1, 0] " + AN_INVOICE,
        "the taxes of the document",
    ),
    "split of a note": (
        "UPDATE book.document SET taxes = taxes || ARRAY[0, 1, 0] " + A_NOTE,
        "the taxes of the document",
    ),
    "refers to": ("UPDATE book.document SET refers_to = 'INV-2026-000001' " + A_NOTE, "refers to"),
    "kind": (
        "UPDATE book.document SET kind = 'debit_note' " + A_NOTE,
        "the kind of DBN-2026-000001",
    ),
    "of no line": (
        "UPDATE book.document SET seq = 99 " + AN_INVOICE, "expected of kind invoice",
    ),
    "a gap": (
        "UPDATE book.document SET number = 9 WHERE kind = 'invoice' AND number = 3",
        "the number of INV-2026-000004",
    ),
    "a day": (
        "UPDATE book.document SET issued_on = '2026-01-01' " + AN_INVOICE,
        "the day of INV-2026-000002",
    ),
    "order": (
        "UPDATE book.document SET number = 11 - number WHERE kind = 'invoice' AND number > 3",
        "the place of INV-2026-",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statement", "named"), TAMPERED.values(), ids=TAMPERED)
async def test_a_document_that_was_changed_is_named(
    books: Booked, statement: str, named: str
) -> None:
    await books.play(
        Policy(1, (VAT_NEW,), staff={"boss": Staff(PERMISSIONS)}),  # type: ignore[arg-type]
        signup("rahim", "2026-01-01"),
        tick("2026-03-01"),
        adjust("a-1", "rahim", -10_000, "2026-02"),
        pay("p-1", "rahim", 500, "2026-02-03"),
        tick("2026-07-01"),
    )
    await books.number()
    assert await wrong(books) is None
    await books.connection.execute("ALTER TABLE book.document DISABLE TRIGGER USER")
    await books.connection.execute(
        "SELECT set_config('session_replication_role', 'replica', false)"
    )
    if "11 - number" in statement:
        await books.connection.execute("ALTER TABLE book.document DROP CONSTRAINT document_pkey")

    await books.connection.execute(statement)

    assert named in str(await wrong(books))


def _split(taxes: Any, components: dict[int, tuple[str, int]]) -> dict[tuple[str, int], Any]:
    parts = taxes or []
    return {components[parts[at]]: (parts[at + 1], parts[at + 2]) for at in range(0, len(parts), 3)}


def _without_gap(rows: list[Any]) -> None:
    series: dict[Any, list[int]] = defaultdict(list)
    seqs: dict[Any, list[int]] = defaultdict(list)
    for row in rows:
        series[row["kind"], row["year"]].append(row["number"])
        seqs[row["kind"], row["customer_id"]].append(row["seq"])
    for numbers in series.values():
        assert numbers == list(range(1, len(numbers) + 1))
    for each in seqs.values():
        assert each == sorted(each)


async def _lines(books: Booked, customer_id: str) -> list[asyncpg.Record]:
    columns = line_columns("line")
    return list(
        await books.connection.fetch(
            f"SELECT {columns} FROM book.line WHERE customer_id = $1 ORDER BY seq", customer_id
        )
    )
