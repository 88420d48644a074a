"""Documents in the book: on random histories each line has the paper that the rules name, numbered
without gap, its VAT split to the last minor unit."""

import random
from collections import defaultdict
from typing import Any

import asyncpg
import pytest

from shared.ledger.documents import paper_of, shown, splits
from shared.ledger.line import Line
from shared.ledger.postgres.statements import line_columns
from tests.postgres.booked import Booked
from tests.support.histories import history

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
    _without_gap(rows)
    assert await books.rows("SELECT * FROM report.reconciliation") == [(0,) * 7]


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
