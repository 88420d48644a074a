"""Judging by bytes accepts what the audit accepts, and nothing that the audit would not."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from shared.ledger.commands import PaymentReceived, SignedUp, Ticked
from shared.ledger.policy.policy import Policy
from shared.ledger.postgres.copied import read_line
from tests.support.audited import Recorded, rehashed
from tests.support.copied import Never, Rows, fault_in, line_row, plain_of, rows_of
from tests.support.histories import history
from tests.support.playing import play_in_batches

SIMPLE = (SignedUp, PaymentReceived, Ticked, Policy)
Customer = tuple[Recorded, str, Rows]


def customers(seeds: range, simple: bool) -> Iterator[Customer]:
    """The customers of random histories; `simple` ones of signups, payments and ticks alone."""
    for seed in seeds:
        steps: list[Any] = history(seed, 90, 5).steps
        rules = Recorded()
        kept = [step for step in steps if not simple or isinstance(step, SIMPLE)]
        play_in_batches(rules, kept, random.Random(seed), 3)
        for customer_id in rules.asked:
            yield rules, customer_id, rows_of(rules, customer_id)


@pytest.fixture(scope="module")
def simple() -> list[Customer]:
    return list(customers(range(1, 61), simple=True))


def test_plain_customers_are_accepted_by_bytes(simple: list[Customer]) -> None:
    """All who signed up once and paid, and were never refused anything."""
    tried = 0
    for rules, customer_id, rows in simple:
        asked = rules.asked[customer_id]
        signups = [each for each in asked if isinstance(each.command, SignedUp)]
        plain = plain_of(rules)

        assert fault_in(rules, rows, plain) is None
        if len(signups) == 1 and all(each.outcome == "accepted" for each in asked):
            tried += 1
            assert plain.right == 1
    assert tried > 60


@pytest.mark.parametrize(("simple_ones", "least"), [(True, 60), (False, 1)])
def test_what_bytes_accept_the_audit_accepts(simple_ones: bool, least: int) -> None:
    accepted = 0
    for rules, _, rows in customers(range(61, 121), simple_ones):
        plain = plain_of(rules)
        assert fault_in(rules, rows, plain) is fault_in(rules, rows, plain_of(rules, Never)) is None
        accepted += plain.right
    assert accepted >= least


@pytest.mark.parametrize("forged", [False, True])
def test_what_the_audit_finds_is_found_with_bytes_too(simple: list[Customer], forged: bool) -> None:
    """One field of one row changed, with hashes made to fit or not: the same fault."""
    found = Counter[str]()
    for number, (rules, _, rows) in enumerate(simple):
        plain, never = plain_of(rules), plain_of(rules, Never)
        if fault_in(rules, rows, plain) is not None or not plain.right:
            continue
        chosen = random.Random(number)
        for _ in range(40):
            where, tampered = tampered_with(rows, chosen)
            if forged:
                tampered = rehashed_rows(tampered)
            fault = fault_in(rules, tampered, never)

            assert fault_in(rules, tampered, plain) == fault, (where, rows, tampered)
            found[where] += fault is not None
    assert len(found) == 7 + 7 + 31, "each field of each table"
    assert min(found[f"2.{place}"] for place in range(31)) > 5, "every field of a line counts"


OTHERS = (b"0", b"1", b"-1", b"t", b"f", b"\\N", b"", b"2026-01-01", b"2026-02", b"payment",
          b"restatement", b"boss", b"accepted")  # fmt: skip


def tampered_with(rows: Rows, chosen: random.Random) -> tuple[str, Rows]:
    """Return rows with one field of one of them changed, and which field that is."""
    account, commands, lines = rows
    assert account is not None
    tables = [[account], list(commands), list(lines)]
    [which] = chosen.choices(range(3), [1, 2, 6 if lines else 0])
    at = chosen.randrange(len(tables[which]))
    fields = tables[which][at].split(b"\t")
    place = chosen.randrange(len(fields))
    fields[place] = changed(fields[place], tables[which], place, chosen)
    tables[which][at] = b"\t".join(fields)
    return f"{which}.{place}", Rows(tables[0][0], tables[1], tables[2])


def changed(field: bytes, table: list[bytes], place: int, chosen: random.Random) -> bytes:
    """Return another value: another row's, a number moved, one byte changed, or a wild one."""
    way = chosen.randrange(4)
    if way == 0:
        field_of_another = chosen.choice(table).split(b"\t")
        return field_of_another[min(place, len(field_of_another) - 1)]
    if way == 1 and field.lstrip(b"-").isdigit():
        return b"%d" % (int(field) + chosen.choice((-1, 1, 100, -100)))
    if way == 2 and field:
        at = chosen.randrange(len(field))
        return field[:at] + bytes([chosen.choice(b"0123456789abcz:-. ")]) + field[at + 1 :]
    return chosen.choice(OTHERS)


def rehashed_rows(rows: Rows) -> Rows:
    """Return the rows with hashes that fit the lines, where these can be read."""
    try:
        lines = [read_line(row)[0] for row in rows.lines]
    except (ValueError, IndexError):
        return rows
    return rows._replace(lines=[line_row(line) for line in rehashed(lines)])
