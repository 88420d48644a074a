"""Statements that workers execute all day cost the same on a small, a large and an old book.

Every statement of `sql/` is in one of two tables: `HOT`, with parameters, or `NOT_HOT`, with the
reason why it is not measured. A new statement has to be added to one of them.
"""

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

import shared.ledger.postgres
from benches.events import LAST, customer_id
from shared.embedded import Postgres
from shared.schemas.topics import PAYMENTS, SIGNUPS
from tests.conftest import BUCKETS, named
from tests.postgres.booked import bucket
from tests.postgres.planned import Aged, Cost, aged, cost

SMALL, LARGE, OLD = (400, 24), (3200, 24), (400, 72)
"""Customers and periods of each book. PostgreSQL rightly prefers a Seq Scan for a small table,
so only the large book shows whether an index is used."""
GROWING = {
    "line", "command", "conflict", "account", "notice", "outgoing", "parked", "entitlement",
    "payment_reference", "username",
}  # fmt: skip
"""Tables that grow with the book: no Seq Scan on them in the large book."""
SHARE, ROWS, BUFFERS = 1.2, 10, 30
"""The limit for a larger book: this factor, and so many rows or buffers more."""
NOW = datetime(2026, 3, 1, tzinfo=UTC)
BUCKET = bucket(customer_id(0))
"""A bucket in which each book has the same customers with new lines."""
Parameters = Callable[[Aged], tuple[Any, ...]]


def events(book: Aged, *more: Any) -> list[list[Any]]:
    """Return columns: the ids of `some`, then each value repeated for them."""
    return [book.some, *([value] * len(book.some) for value in more)]


def payments_of(book: Aged) -> list[str]:
    return [f"payment/{customer}-{LAST}" for customer in book.some]


HOT: dict[str, Parameters] = {
    "set_back": lambda b: (),
    # A batch and a bill page.
    "accounts": lambda b: tuple(events(b, False)),
    "accounts: with contacts": lambda b: tuple(events(b, True)),
    "periods": lambda b: tuple(events(b, "2025-11")),
    "add_conflicts": lambda b: (
        payments_of(b), [bytes(32)] * len(b.some), *events(b, "type", "{}", "9", "crm", 1), NOW,
    ),
    "advance_positions": lambda b: ("generator", [SIGNUPS], [3], [0], [7], [None]),
    "bill_page": lambda b: (b.bucket, "", 96, 10),
    "bill_page: further on": lambda b: (b.bucket, b.one, 96, 10),
    "change_accounts": lambda b: tuple(events(b, 1, "{}", None)),
    "terms": lambda b: ([1, 2],),
    "terms_ids": lambda b: (['{"vip": []}', '{"vip": {}}'],),
    "add_terms": lambda b: (['{"vip": []}', '{"vip": {}}'],),
    "changes_due": lambda b: (b.bucket, b.bucket + 8, date(2026, 3, 1)),
    "free_references": lambda b: (["bkash"] * len(b.some), b.some, payments_of(b)),
    "share_references": lambda b: (
        ["bkash"] * len(b.some), b.some, payments_of(b), payments_of(b), [True] * len(b.some),
    ),
    "hold_references": lambda b: (
        ["nagad"] * len(b.some), b.some, payments_of(b), [False] * len(b.some),
    ),
    "usernames_held": lambda b: (b.some,),
    "give_up_usernames": lambda b: (b.some, b.some),
    "take_usernames": lambda b: ([f"{each}.x" for each in b.some], b.some),
    "waiting_payments": lambda b: (b.some,),
    "known_commands": lambda b: (payments_of(b),),
    "lock_buckets": lambda b: ([1, 2, 3],),
    "move_page": lambda b: ("tick-1", 3, b.bucket, b.one, 9, 0, 0, 0, False),
    "page": lambda b: ("tick-1", 3),
    "lock_page": lambda b: ("tick-1", 3),
    "parked_of": lambda b: (b.some,),
    "policies": lambda b: (0,),
    "postings_since": lambda b: tuple(events(b, "2025-11")),
    "quarantine": lambda b: (*events(b, "a reason"), NOW, [1] * len(b.some)),
    "references_held": lambda b: (["bkash"] * len(b.some), b.some),
    "set_next_changes": lambda b: tuple(events(b, date(2026, 3, 1))),
    "unpark": lambda b: ([f"parked/{customer}" for customer in b.some],),
    "world": lambda b: (payments_of(b), b.some),
    # The coordinator's timers.
    "add_pages": lambda b: ("tick-2",),
    "claim_run": lambda b: ("2026-02",),
    "finish_run": lambda b: ("tick-1",),
    "last_clock_tick": lambda b: (),
    "lock_fleet": lambda b: (),
    "lock_run": lambda b: ("tick-1",),
    "refused_lately": lambda b: (600.0,),
    "seal_due": lambda b: (),
    "set_business_date": lambda b: (date(2026, 3, 1),),
    "stale_pages": lambda b: (10.0,),
    "waiting_periods": lambda b: (),
    # Positions, and which book this is: every batch and every look.
    "ensure_positions": lambda b: ("collector", [PAYMENTS], [3], [None], None),
    "fleet_setup": lambda b: (),
    "furthest": lambda b: (),
    "incarnation": lambda b: (),
    "positions": lambda b: ("generator", [SIGNUPS], [3]),
    "positions_all": lambda b: (),
    "positions_of": lambda b: ("generator", SIGNUPS),
    "which_book": lambda b: (),
    # The relay.
    "relay_bills_first": lambda b: (20.0,),
    "relay_entitlements": lambda b: ([b.bucket], [0], 2),
    "relay_forget": lambda b: ([b.bucket], [0], [9]),
    "relay_lease": lambda b: ("60s",),
    "relay_lines": lambda b: ([b.bucket, 7], [0, 10], 5),
    "relay_move": lambda b: (["line"], [b.bucket], [1]),
    "relay_notices": lambda b: ([b.bucket, 7], [0, 10], 5),
    "relay_outgoing": lambda b: ([b.bucket], [0], 5, 2**20),
    "relay_take": lambda b: (["line", "notice"], [b.bucket, 7]),
    "relay_waiting": lambda b: (),
    # Documents.
    "documents_wait": lambda b: (250,),
    "document_bills": lambda b: ([b.bucket], *([each[b.bucket]] for each in b.spans[:2])),
    "document_corrections": lambda b: ([b.bucket], *([each[b.bucket]] for each in b.spans[:2])),
    "number_documents": lambda b: (
        [*range(BUCKETS)], *b.spans[:2], "", False,
        [1], [date(2026, 1, 1)], [False], [100_000], ["{1,100000,5000}"],
        ["nobody"], [1], ["{1,100000,5000}"],
    ),
    "tax_ids": lambda b: (),
    "add_taxes": lambda b: (["new"], [1]),
    # The notifier.
    "held_notices": lambda b: (b.some,),
    "insert_notices": lambda b: (
        [f"due/{customer}" for customer in b.some],
        *events(b, "due", LAST, 1, "text", 1, "+8801711000001", "en", 1), "requested", 1,
    ),
    "lines_in_force": lambda b: tuple(zip(*b.heads, strict=True)),
    "lock_telling": lambda b: ([1, 2, 3],),
    "notice_facts": lambda b: (b.some,),
    "payment_amounts": lambda b: tuple(zip(*b.paid, strict=True)),
    "send_held": lambda b: (*events(b, "requested", 1, "text", 1, "+8801711000001", "en"), 1),
    "upsert_entitlements": lambda b: tuple(
        events(b, date(2026, 3, 1), "active", 9, 1, "user", "home", 1)
    ),
    # The hourly check and the daily seal: what is new.
    "check_bucket": lambda b: (BUCKET, False),
    "check_turn": lambda b: (24,),
    "checked": lambda b: (3600,),
    "seal_counts": lambda b: tuple(b.spans[:4]),
    "seal_cursor": lambda b: (),
    "seal_heads": lambda b: tuple(b.spans),
    # Waiting for outcomes, and what is asked of one customer.
    "accepted_of": lambda b: (b.one,),
    "customer": lambda b: (b.one,),
    "customer_known": lambda b: (b.one,),
    "latest_policy": lambda b: (),
    "lines_of": lambda b: (b.one,),
    "outcomes_of": lambda b: (payments_of(b),),
    "parked_all": lambda b: (b.one,),
    "run_finished": lambda b: ("tick-1",),
    "settling": lambda b: (),
    "statement": lambda b: (b.one,),
    "statement_as_of": lambda b: (b.one, NOW),
    "unquarantine": lambda b: (b.one,),
}  # fmt: skip
"""Statement -> its parameters; what follows a colon tells two uses of one statement apart."""
A_WHOLE_HISTORY = {"accepted_of", "check_bucket", "lines_of", "statement", "statement_as_of"}
"""These give a row or more for each period, so they cost more on an old book."""

NOT_HOT = {
    "the whole book is asked for": (
        "counts ledger ledger_hashed ledger_in_sheets ledger_journal"
        " seal_policies totals verify_accounts verify_commands verify_counts verify_lines"
        " verify_clock verify_documents verify_new_splits verify_policies verify_ranges"
        " verify_series verify_splits"
        " verify_payments verify_references verify_stuck verify_ticks verify_usernames"
    ),
    "an owner asks for the figures of everyone": (
        "report_aging report_month report_receipts report_sales report_tax"
    ),
    "everyone is asked for": "recheck_everyone customers_by_code",
    "it shows who applies a policy which prices come back": "prices_of_old",
    "it shows a person what their command made": "lines_made",
    "it lists for a person what was refused, by time": "refusals",
    "it looks at every tick for a person who asks what was known at an instant": "known_then",
    "it looks for a person by parts of what is known of them": (
        "customers_by_id customers_possible references_possible"
    ),
    "all that waits is counted or listed": (
        "discard_notices held_count notices quarantine_all quarantined_all relay_lag watch"
        " withhold_notices"
    ),
    "a person does it, rarely": (
        "add_incarnation add_policy add_prices add_seal add_voids adopt_positions"
        " documents_of_lines halt_position hold_notices last_documents"
        " incarnations newest_known policy_of_version rehearse_latest relay_again"
        " reset_positions seals set_partitions verify_ground"
    ),
    "it sets a session or a server up": (
        "allow_login be_patient close_other_databases copied_session line_parts make_buckets"
        " migrations_applied number_by_hash part_lines rights"
        " session shape unguarded waits_for"
    ),
    "it only takes a lock, or is part of no plan": (
        "lock_document lock_every_bucket lock_migrations lock_policy lock_seal"
    ),
    "benchmarks ask it": (
        "bare_rows baseline_account baseline_before baseline_head baseline_now baseline_published"
        " baseline_twin insert_bare last_position lines_after lines_of_command"
    ),
}
"""Why a statement is not measured here -> the statements."""

Books = tuple[Aged, Aged, Aged]


@pytest_asyncio.fixture(scope="module")
async def books(postgres: Postgres, template: str) -> AsyncIterator[Books]:
    """The small book, the large one and the old one."""
    admin = await asyncpg.connect(postgres.admin_url)
    names = [f"plans_{uuid4().hex[:12]}" for _ in range(3)]
    connections = []
    for name in names:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        connections.append(await asyncpg.connect(named(postgres.admin_url, name)))
    sizes = zip(connections, (SMALL, LARGE, OLD), strict=True)
    small, large, old = [await aged(connection, *size) for connection, size in sizes]
    yield small, large, old
    for connection in connections:
        await connection.close()
    for name in names:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def test_every_statement_is_measured_or_says_why_not() -> None:
    folder = Path(shared.ledger.postgres.__file__).parent / "sql"
    hot = {name.partition(":")[0] for name in HOT}
    others = [name for names in NOT_HOT.values() for name in names.split()]

    assert sorted([*hot, *others]) == sorted(path.stem for path in folder.glob("*.sql"))


@pytest.mark.parametrize("name", HOT)
async def test_a_statement_of_every_day_costs_the_same_on_a_larger_and_on_an_older_book(
    name: str, books: Books
) -> None:
    statement, parameters = name.partition(":")[0], HOT[name]
    small, large, old = [await cost(book, statement, parameters(book)) for book in books]

    assert large.scanned & GROWING == set(), large.plan
    assert dearer(large, small) == [], large.plan
    if statement not in A_WHOLE_HISTORY:
        assert dearer(old, small) == [], old.plan


async def test_a_bill_page_reads_accounts_by_their_index_alone(books: Books) -> None:
    _, large, _ = books

    found = await cost(large, "bill_page", HOT["bill_page"](large))

    (line,) = [each for each in found.plan.splitlines() if "Relation Name: account;" in each]
    assert "Index Only Scan" in line
    assert "Index Name: account_bucket" in line


@pytest.mark.parametrize("name", ["accounts", "bill_page", "notice_facts"])
async def test_the_lines_of_no_customer_are_sorted_to_find_the_last_ones(
    name: str, books: Books
) -> None:
    for book in books:
        found = await cost(book, name, HOT[name](book))

        times = [int(each) for each in re.findall(r"Sort; .* rows, (\d+) times", found.plan)]
        assert max(times, default=0) <= 1, found.plan


def dearer(more: Cost, less: Cost) -> list[str]:
    """Say what costs too much on the larger book; an index lookup may read one level more there."""
    found = []
    if more.rows > SHARE * less.rows + ROWS:
        found.append(f"{more.rows:,.0f} rows are touched, not {less.rows:,.0f}")
    if more.buffers > SHARE * less.buffers + more.lookups + BUFFERS:
        found.append(f"{more.buffers:,} buffers are read, not {less.buffers:,}")
    return found
