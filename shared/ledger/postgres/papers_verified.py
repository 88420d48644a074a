"""Verifies documents: each line has its paper, and each paper is what its line makes it.

The statements work out kinds and amounts again; the split of VAT comes from the rules.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import asyncpg

from shared.ledger.audit.fault import Fault
from shared.ledger.documents import UNTAXED, Component, Split, bill_split, shown, splits
from shared.ledger.line import Line
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.postgres.statements import sql
from shared.ledger.taxes import parts_of

Policies = Mapping[int, Policy]


async def papers_fault(
    connection: asyncpg.Connection, after: str, upto: str | None, policies: Policies
) -> Fault | None:
    """Return the first fault in the documents of a range of customers, None if there is none."""
    row = await connection.fetchrow(sql("verify_documents"), after, upto)
    if row is not None:
        return Fault(*row)
    known = defaultdict(lambda: NO_POLICY, policies)
    ids = {UNTAXED: 0}
    ids |= {(row[0], row[1]): row[2] for row in await connection.fetch(sql("tax_ids"))}
    for *key, taxes, example in await connection.fetch(sql("verify_new_splits"), after, upto):
        version, starts, exempt, net, vat = key
        parts = () if exempt else parts_of(known[version], net, starts)
        fault = _fault(taxes, bill_split(parts, net, vat), ids, *example.rsplit(" ", 1))
        if fault is not None:
            return fault
    rows = await connection.fetch(sql("verify_splits"), after, upto)
    for _, of_period in groupby(rows, key=lambda row: (row["customer_id"], row["period"])):
        fault = _period_fault(list(of_period), known, ids)
        if fault is not None:
            return fault
    return None


async def series_fault(connection: asyncpg.Connection) -> Fault | None:
    """Return the first document that does not follow its series, None if all do."""
    row = await connection.fetchrow(sql("verify_series"))
    return None if row is None else Fault(*row[1:])


def _period_fault(
    rows: Sequence[Any], policies: Policies, ids: Mapping[Component, int]
) -> Fault | None:
    lines = [Line(*row[:-1]) for row in rows]
    made = splits(lines, policies)
    before: Line | None = None
    for line, row in zip(lines, rows, strict=True):
        if row["taxes"] is not None:
            wanted = shown(made[line.seq], line, before)
            fault = _fault(row["taxes"], wanted, ids, line.customer_id, line.seq)
            if fault is not None:
                return fault
        before = line
    return None


def _fault(
    taxes: Sequence[int] | None,
    wanted: Split,
    ids: Mapping[Component, int],
    customer_id: str,
    seq: int | str,
) -> Fault | None:
    """Return the difference between stored taxes and a split; ids are those of components."""
    expected = [each for key, part in wanted.items() for each in (ids.get(key, -1), *part)]
    if list(taxes or ()) == expected:
        return None
    return Fault(customer_id, int(seq), "the taxes of the document", str(taxes), str(expected))
