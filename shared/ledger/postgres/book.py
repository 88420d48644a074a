"""The book in PostgreSQL: lock, load, save. A handful of statements a batch, whatever its size.

A `Book` is one open transaction. What it loads are the plain values of the rules; what
it saves are the plain values that the rules returned. It decides nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from shared.ledger.account import BEGINNING, NEVER, Account, Head
from shared.ledger.errors import Unreadable
from shared.ledger.fold import Fold, Judged, Seen
from shared.ledger.line import GENESIS, Line
from shared.ledger.period import label_of
from shared.ledger.policy.file import parse_policy
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.postgres.statements import sql
from shared.ledger.postgres.stored import encode_contact, read_contact, read_terms
from shared.ledger.posting import Posting
from shared.ledger.reach import Reach
from shared.ledger.terms import encode
from shared.ledger.world import World

COPY_FROM_ROWS = 40
"""From so many rows on, COPY costs less than inserting (measured: the set-up is two trips)."""
LINE_WIDTH = len(Line._fields)
ACCOUNT_WIDTH = 9
"""How many columns of accounts.sql come before those of the line."""
EVENT = ("command_id", "customer_id", "type", "content", "ce_id", "ce_source")
COMMAND = (*EVENT, "outcome", "reason", "recorded_at")

Partition = tuple[str, int]
"""A topic and a partition number."""


class Fenced(Exception):
    """Another worker has taken these partitions over; this batch is not ours to commit."""


class Policies:
    """Every policy version, read once each: versions are append-only, so they never change."""

    def __init__(self) -> None:
        self.versions: dict[int, Policy] = {0: NO_POLICY}

    async def up_to(self, connection: asyncpg.Connection, version: int | None) -> Policy:
        """Return the policy of a version (None: the empty one), reading what is new."""
        if version is None:
            return NO_POLICY
        if version not in self.versions:
            for row in await connection.fetch(sql("policies"), max(self.versions)):
                self.versions[row["version"]] = parse_policy(row["source"], row["version"])
        return self.versions[version]


async def open_fold(
    connection: asyncpg.Connection,
    policies: Policies,
    commands: Sequence[str] = (),
    customers: Sequence[str] = (),
) -> Fold:
    """Return a fold with all but accounts: what came before of these commands, who of these
    customers is quarantined, and what the rules know besides. Call it when the locks are held."""
    row = await connection.fetchrow(sql("world"), commands, customers)
    policy = await policies.up_to(connection, row["policy_version"])
    world = World(
        recorded_at=row["recorded_at"],
        business_date=row["business_date"] or date.min,
        policy=policy,
        policies=policies.versions,
    )
    return Fold(
        world,
        seen={command_id: Seen(*seen) for command_id, *seen in row["seen"]},
        quarantined=dict(row["quarantined"]),
    )


async def lock_buckets(connection: asyncpg.Connection, buckets: Iterable[int]) -> None:
    """Take the customers' locks, bucket by bucket in ascending order, until the commit."""
    await connection.execute(sql("lock_buckets"), sorted(set(buckets)))


# Loading ------------------------------------------------------------------------------------


Broken = dict[str, Exception]
"""Why the rows of a customer cannot be read, by customer: they are set apart, others go on."""


async def accounts(
    connection: asyncpg.Connection, reaches: Mapping[str, Reach]
) -> tuple[dict[str, Account], Broken]:
    """Return the accounts that exist, each loaded as far back as its reach says, and whose rows
    cannot be read."""
    loaded: dict[str, Account] = {}
    broken: Broken = {}
    sinces = [wanted.since for wanted in reaches.values()]
    days = [wanted.day for wanted in reaches.values()]
    for row in await connection.fetch(sql("accounts"), list(reaches), sinces, days):
        customer_id = row[0]
        account = loaded.get(customer_id)
        if account is None:
            if customer_id in broken:
                continue
            try:
                account = _account(*row[:ACCOUNT_WIDTH])
                if reaches[customer_id].contact:
                    account.contact = read_contact(row["contact"])
            except Unreadable as error:
                broken[customer_id] = error
                continue
            loaded[customer_id] = account
        if account.seq:
            account.periods.append(Line(*row[ACCOUNT_WIDTH:]))
    for account in loaded.values():
        if account.periods:
            first = account.periods[0].period
            account.since = BEGINNING if first == label_of(account.bill_from) else first
    await _load_postings(connection, loaded, reaches)
    return loaded, broken


def _account(
    customer_id: str,
    joined_on: date,
    bill_from: date,
    opening_due: int,
    terms: str,
    _contact: str,
    seq: int | None,
    tip: bytes | None,
    recorded_at: datetime | None,
) -> Account:
    return Account(
        customer_id,
        joined_on,
        bill_from,
        opening_due,
        read_terms(terms),
        None,
        postings=None if seq else [],
        seq=seq or 0,
        hash=tip or GENESIS,
        recorded_at=recorded_at or NEVER,
    )


async def _load_postings(
    connection: asyncpg.Connection, loaded: Mapping[str, Account], reaches: Mapping[str, Reach]
) -> None:
    wanted = [
        customer_id
        for customer_id, account in loaded.items()
        if account.seq and reaches[customer_id].postings
    ]
    if not wanted:
        return
    for customer_id in wanted:
        loaded[customer_id].postings = []
    # From the first period that was loaded, which may lie far before the label asked for.
    sinces = [loaded[customer_id].since for customer_id in wanted]
    for row in await connection.fetch(sql("postings_since"), wanted, sinces):
        line, before = Line(*row[:LINE_WIDTH]), Line(*row[LINE_WIDTH : 2 * LINE_WIDTH])
        payment_id, method, reference = row[2 * LINE_WIDTH :]
        postings = loaded[line.customer_id].postings
        assert postings is not None
        if line.kind == "refund":
            payment = None if payment_id is None else f"payment/{payment_id}"
            postings.append(Posting(line, before, payment))
        else:
            postings.append(Posting(line, before, None, method, reference))


async def parked_of(
    connection: asyncpg.Connection, customers: Sequence[str]
) -> list[tuple[str, str, str, str | None, str | None]]:
    """Return (customer id, type, content, ce_id, ce_source) of what waits for these customers,
    oldest first."""
    return [tuple(row) for row in await connection.fetch(sql("parked_of"), customers)]


async def load_references(
    connection: asyncpg.Connection, world: World, asked: Iterable[tuple[str, str]]
) -> None:
    """Tell the world which of these references a live payment holds."""
    keys = sorted(set(asked))
    if keys:
        methods, references = zip(*keys, strict=True)
        for row in await connection.fetch(sql("references_held"), methods, references):
            world.references[row["method"], row["reference"]] = row["payment"]


class Page(NamedTuple):
    """The next customers of a bucket, in their order: accounts ready to be billed on and for
    nothing else, who is quarantined (the reason), and whose rows cannot be read."""

    customers: list[str]
    accounts: dict[str, Account]
    quarantined: dict[str, str]
    broken: Broken


async def bill_page(connection: asyncpg.Connection, bucket: int, after: str, count: int) -> Page:
    page = Page([], {}, {}, {})
    for row in await connection.fetch(sql("bill_page"), bucket, after, count):
        customer_id, joined, bill_from, opening, terms, seq, tip, recorded, label, due, to, why = (
            row
        )
        page.customers.append(customer_id)
        if why is not None:
            page.quarantined[customer_id] = why
        try:
            known = read_terms(terms)
        except Unreadable as error:
            page.broken[customer_id] = error
            continue
        page.accounts[customer_id] = Account(
            customer_id,
            joined,
            bill_from,
            opening,
            known,
            None,
            closed=Head(label, due, to) if seq else None,
            postings=None if seq else [],
            seq=seq,
            hash=tip or GENESIS,
            recorded_at=recorded or NEVER,
        )
    return page


# Saving -------------------------------------------------------------------------------------


async def save(connection: asyncpg.Connection, fold: Fold, bucket_of: Any) -> None:
    """Save all that a fold decided; `bucket_of` maps a customer id to his bucket."""
    at = fold.world.recorded_at
    await _save_accounts(connection, fold, bucket_of)
    await insert(connection, "line", Line._fields, fold.lines)
    await _save_outcomes(connection, fold.judged, at)
    await _save_references(connection, fold)
    if fold.broken:
        reasons = [fold.quarantined[customer_id] for customer_id in fold.broken]
        await connection.execute(sql("quarantine"), list(fold.broken), reasons, at)


async def _save_accounts(connection: asyncpg.Connection, fold: Fold, bucket_of: Any) -> None:
    business_date = fold.world.business_date
    opened = [fold.accounts[customer_id] for customer_id in sorted(fold.opened)]
    await insert(
        connection,
        "account",
        (
            "customer_id", "bucket", "joined_on", "bill_from", "opening_due", "terms", "contact",
            "next_change_on",
        ),
        [
            (
                account.customer_id,
                bucket_of(account.customer_id),
                account.joined_on,
                account.bill_from,
                account.opening_due,
                encode(account.terms),
                encode_contact(account.contact),
                account.terms.next_change_after(business_date),
            )
            for account in opened
        ],
    )  # fmt: skip
    changed = sorted(fold.changed - fold.opened)
    if changed:
        terms = [fold.accounts[customer_id].terms for customer_id in changed]
        contacts = [fold.accounts[customer_id].contact for customer_id in changed]
        await connection.execute(
            sql("change_accounts"),
            changed,
            [encode(each) for each in terms],
            [None if each is None else encode_contact(each) for each in contacts],
            [each.next_change_after(business_date) for each in terms],
        )


async def _save_outcomes(
    connection: asyncpg.Connection, judged: Sequence[Judged], at: datetime
) -> None:
    outcomes, waiting, released = [], [], []
    for arrival, outcome, reason, _, waited in judged:
        command = arrival.command
        row = (command.command_id, command.customer_id, *arrival.event)
        if outcome in ("accepted", "refused"):
            outcomes.append((*row, outcome, reason, at))
            if waited:
                released.append(command.command_id)
        elif outcome == "parked":
            waiting.append((*row, reason, at))
    await insert(connection, "command", COMMAND, outcomes)
    if released:
        await connection.execute(sql("unpark"), released)
    # A command parked and released within one batch never needs a row.
    gone = {row[0] for row in outcomes}
    await insert(
        connection,
        "parked",
        (*EVENT, "reason", "parked_at"),
        [row for row in waiting if row[0] not in gone],
    )


async def _save_references(connection: asyncpg.Connection, fold: Fold) -> None:
    if fold.freed:
        methods, references = zip(*fold.freed, strict=True)
        await connection.execute(sql("free_references"), methods, references)
    held = [(*key, payment) for key, payment in fold.claims.items() if payment is not None]
    if held:
        await connection.execute(
            sql("hold_references"), *(list(column) for column in zip(*held, strict=True))
        )


async def insert(
    connection: asyncpg.Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Append rows to a table of the book: by COPY when there are many."""
    if not rows:
        return
    if len(rows) >= COPY_FROM_ROWS:
        await connection.copy_records_to_table(
            table, schema_name="book", columns=columns, records=rows
        )
        return
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    await connection.executemany(
        f"INSERT INTO book.{table} ({', '.join(columns)}) VALUES ({places})", rows
    )


# Positions ----------------------------------------------------------------------------------


async def advance(
    connection: asyncpg.Connection,
    consumer: str,
    moves: Mapping[Partition, tuple[int, int]],
    topic_ids: Mapping[str, UUID | None] | None = None,
) -> None:
    """Move a consumer on, {partition: (from, to)}, in this transaction. Fenced when another
    worker has moved it meanwhile, when it was halted, or when it was reset to a topic with
    another id than `topic_ids` says (a topic left out: it has none)."""
    ids = topic_ids or {}
    asked = sorted(
        (topic, number, *move, ids.get(topic)) for (topic, number), move in moves.items()
    )
    columns = [list(column) for column in zip(*asked, strict=True)]
    moved = await connection.fetch(sql("advance_positions"), consumer, *columns)
    if len(moved) != len(moves):
        raise Fenced(f"{consumer}: {len(moves) - len(moved)} of {len(moves)} partitions moved on")
