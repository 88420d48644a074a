"""Numbers documents, in a step of its own after the commit of their lines; reads documents.

One step numbers at a time (`book_lock.document`), and its transaction moves the cursors of the
buckets, so each line is looked at once. Within a bucket, positions rise in the order of commits:
no line comes later with a position below a cursor, and a customer's documents have the order of
their lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import asyncpg

from shared.ledger.documents import UNTAXED, Component, Split, bill_split, shown, splits
from shared.ledger.line import Line
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.postgres.folding import Policies
from shared.ledger.postgres.locks import lock_document
from shared.ledger.postgres.statements import sql
from shared.ledger.taxes import parts_of

UNTAXED_ID = 0
"""The tax_id of what no component taxes."""


async def number_some(
    connection: asyncpg.Connection, policies: Policies, lines_max: int
) -> tuple[int, int]:
    """Number the documents of the next lines, at most `lines_max` per bucket, in a transaction of
    its own; return how many buckets had lines, and how many documents were made."""
    if not await connection.fetch(sql("documents_wait"), lines_max):
        return 0, 0
    async with connection.transaction():
        return await number(connection, policies, lines_max)


async def number_all(connection: asyncpg.Connection, lines_max: int = 2000) -> None:
    """Number the documents of all lines, step by step."""
    policies = Policies()
    while (await number_some(connection, policies, lines_max))[0]:
        pass


async def all_numbered(connection: asyncpg.Connection) -> bool:
    """Whether every line that should have a document has one."""
    return not await connection.fetch(sql("documents_wait"), 1)


async def number(
    connection: asyncpg.Connection,
    policies: Policies,
    lines_max: int | None = None,
    *,
    by_time: bool = False,
) -> tuple[int, int]:
    """Number documents in the caller's transaction. Without `lines_max` those of all lines; with
    `by_time` in the order in which the lines were recorded."""
    await lock_document(connection)
    waiting = await connection.fetch(sql("documents_wait"), lines_max)
    if not waiting:
        return 0, 0
    policy = await policies.up_to(connection, waiting[0]["policy_version"])
    spans = [[row[at] for row in waiting] for at in range(3)]
    bills = await _bills(connection, spans, policies.versions)
    corrections = await _corrections(connection, spans, policies.versions)
    ids = await _tax_ids(connection, [*bills.values(), *corrections.values()])
    await connection.execute(sql("number_by_hash"))
    made = await connection.fetchval(
        sql("number_documents"),
        *spans,
        policy.document_prefix,
        by_time,
        *_columns(bills, 4),
        [_array(split, ids) for split in bills.values()],
        *_columns(corrections, 2),
        [_array(split, ids) for split in corrections.values()],
    )
    return len(waiting), made


Spans = Sequence[Sequence[int]]
"""Buckets, and for each the position after which lines count and the last that counts."""
BillKey = tuple[int, object, bool, int]
"""What the VAT of a new bill depends on: policy version, first day, exemption and net amount."""


async def _bills(
    connection: asyncpg.Connection, spans: Spans, policies: Mapping[int, Policy]
) -> dict[BillKey, Split]:
    """Return VAT by component of the bills that are the first line of their period. Customers on
    one package and terms share it."""
    found: dict[BillKey, Split] = {}
    for version, starts, exempt, net, vat in await connection.fetch(sql("document_bills"), *spans):
        policy = policies.get(version, NO_POLICY)
        parts = () if exempt else parts_of(policy, net, starts)
        found[version, starts, exempt, net] = bill_split(parts, net, vat)
    return found


async def _corrections(
    connection: asyncpg.Connection, spans: Spans, policies: Mapping[int, Policy]
) -> dict[tuple[str, int], Split]:
    """Return what each other line changed by component, as its document shows it: a credit note the
    negated change."""
    rows = await connection.fetch(sql("document_corrections"), *spans)
    lines = [(Line(*row[:-1]), row[-1]) for row in rows]
    found: dict[tuple[str, int], Split] = {}
    for _, of_period in groupby(lines, key=lambda each: (each[0].customer_id, each[0].period)):
        period = list(of_period)
        made = splits((line for line, _ in period), policies)
        before: Line | None = None
        for line, new in period:
            if new:
                found[line.customer_id, line.seq] = shown(made[line.seq], line, before)
            before = line
    return found


async def _tax_ids(
    connection: asyncpg.Connection, found: Iterable[Split]
) -> Mapping[Component, int]:
    """Return the id of each component, and give one to those that have none yet."""
    ids = {UNTAXED: UNTAXED_ID}
    ids |= {(row[0], row[1]): row[2] for row in await connection.fetch(sql("tax_ids"))}
    new = sorted({component for split in found for component in split} - ids.keys())
    if new:
        rows = await connection.fetch(sql("add_taxes"), *_columns(new, 2))
        ids |= {(row[0], row[1]): row[2] for row in rows}
    return ids


def _array(split: Split, ids: Mapping[Component, int]) -> str | None:
    """Return a split as the text of an array: tax_id, net and tax of each component."""
    if not split:
        return None
    parts = (f"{ids[each]},{part.net},{part.tax}" for each, part in split.items())
    return "{" + ",".join(parts) + "}"


def _columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    listed = list(rows)
    return [[row[at] for row in listed] for at in range(width)]
