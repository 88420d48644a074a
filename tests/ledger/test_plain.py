"""Judging by bytes accepts what the audit accepts, and nothing that the audit would not."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from shared.ledger.charge import new_bill
from shared.ledger.commands import PaymentReceived, SignedUp, Ticked
from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy, Staff
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
    return list(customers(range(1, 131), simple=True))


def test_plain_customers_are_accepted_by_bytes(simple: list[Customer]) -> None:
    """All who signed up once and paid, and were never refused anything."""
    tried = 0
    for rules, customer_id, rows in simple:
        asked = rules.asked[customer_id]
        signups = [each for each in asked if isinstance(each.command, SignedUp)]
        plain = plain_of(rules)

        assert fault_in(rules, rows, plain) is None
        if len(signups) == 1 and all(each.outcome == "accepted" for each in asked):
            signup: Any = signups[0].command
            if any(each.price is None for each in (signup.package, *signup.extras)):
                continue  # a version may lack the code: then the audit looks
            tried += 1
            assert plain.right == 1
    assert tried > 40


@pytest.mark.parametrize(("simple_ones", "least"), [(True, 60), (False, 1)])
def test_what_bytes_accept_the_audit_accepts(simple_ones: bool, least: int) -> None:
    accepted = 0
    for rules, _, rows in customers(range(131, 251), simple_ones):
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
        for _ in range(70):
            where, tampered = tampered_with(rows, chosen)
            if forged:
                tampered = rehashed_rows(tampered)
            fault = fault_in(rules, tampered, never)

            assert fault_in(rules, tampered, plain) == fault, (where, rows, tampered)
            found[where] += fault is not None
    assert len(found) == 7 + 7 + len(Line._fields), "each field of each table"
    assert min(found[f"2.{place}"] for place in range(31)) > 5, "every field of a line counts"


# Forgeries of more than one field -------------------------------------------------------------


def an_older_policy(rules: Recorded, rows: Rows) -> Rows | None:
    """The last bill priced by a version older than that of the bill before it."""
    lines = [read_line(row)[0] for row in rows.lines]
    bills = [line for line in lines if line.kind == "bill"]
    if len(bills) < 2 or lines[-1].kind != "bill" or bills[-2].policy_version < 2:
        return None
    last = lines[-1]
    terms = rules.accounts[last.customer_id].terms
    bill = new_bill(terms, last.coverage_from, rules.policies[1])
    older = last._replace(
        policy_version=1, bill_policy_version=1, vat=bill.vat,
        due=last.previous_due + bill.charge - bill.discount + bill.vat,
    )  # fmt: skip
    return with_lines(rows, [*lines[:-1], older])


def another_id(rules: Recorded, rows: Rows) -> Rows | None:
    """A payment's id changed in its row and its lines, not in what was asked."""
    payment = the_payment(rows)
    if payment is None:
        return None
    was = payment.split(b"\t")[5]
    return rehashed_rows(
        rows._replace(
            commands=[row.replace(_tab(was), _tab(b"payment/x")) for row in rows.commands],
            lines=[row.replace(_tab(was), _tab(b"payment/x")) for row in rows.lines],
        )
    )


def the_same_twice(rules: Recorded, rows: Rows) -> Rows | None:
    """The last payment twice, with a second line."""
    lines = [read_line(row)[0] for row in rows.lines]
    payment = the_payment(rows)
    if payment is None or lines[-1].kind != "payment":
        return None
    last, before = lines[-1], lines[-2]
    amount = before.due - last.due if before.period == last.period else last.paid
    again = last._replace(
        seq=last.seq + 1, revision=last.revision + 1, paid=last.paid + amount,
        due=last.due - amount,
    )  # fmt: skip
    return with_lines(rows._replace(commands=[*rows.commands, payment]), [*lines, again])


def a_signup_at_no_time(rules: Recorded, rows: Rows) -> Rows | None:
    found = b'"signed_up_at":"20', b'"signed_up_at":"99'
    return rows._replace(commands=[row.replace(*found) for row in rows.commands])


@pytest.mark.parametrize(
    "forge", [an_older_policy, another_id, the_same_twice, a_signup_at_no_time]
)
def test_a_forgery_is_found_with_bytes_too(simple: list[Customer], forge: Any) -> None:
    tried = 0
    for rules, _, rows in simple:
        plain = plain_of(rules)
        if fault_in(rules, rows, plain) is None and plain.right:
            forged = forge(rules, rows)
            if forged is not None:
                tried += 1
                fault = fault_in(rules, forged, plain_of(rules, Never))
                assert fault is not None
                assert fault_in(rules, forged, plain) == fault
    assert tried > 2


def test_a_signup_that_nobody_permits_any_more_is_found() -> None:
    for rules, _, rows in customers(range(1, 200), simple=True):
        plain = plain_of(rules)
        percent = b'"discount_percent":"10"' in b"".join(rows.commands)
        if percent and fault_in(rules, rows, plain) is None and plain.right:
            nobody = MappingProxyType[str, Staff]({})
            rules.policies = {
                version: replace(policy, staff=nobody) for version, policy in rules.policies.items()
            }

            assert "not_permitted" in str(fault_in(rules, rows, plain_of(rules)))
            return
    raise AssertionError("no such customer")


def test_a_key_given_twice_is_read_as_the_audit_reads_it(simple: list[Customer]) -> None:
    """The end of a signup's content is remembered; it must not name another customer."""
    rules, customer_id, rows = next(
        each for each in simple if each[2].lines and len(each[2].commands) == 1
    )
    mine = customer_id.encode()
    again = b',"customer_id":"%b"}' % mine
    commands = [row.replace(b"}\t", again + b"\t") for row in rows.commands]
    others = [row.replace(mine, b"d-9").replace(again.replace(mine, b"d-9"), again)
              for row in commands]  # fmt: skip
    account = (rows.account or b"").replace(mine, b"d-9")
    other = Rows(account, others, [row.replace(mine, b"d-9") for row in rows.lines])
    plain = plain_of(rules)

    assert fault_in(rules, rows._replace(commands=commands), plain) is None
    assert "customer_id of" in str(fault_in(rules, rehashed_rows(other), plain))


def the_payment(rows: Rows) -> bytes | None:
    """Return the last command, where it is a payment."""
    last = rows.commands[-1]
    return last if b"\tbilling.payment.received.v1\t" in last else None


def _tab(field: bytes) -> bytes:
    """Return a field within its row."""
    return b"\t" + field + b"\t"


def with_lines(rows: Rows, lines: list[Line]) -> Rows:
    return rows._replace(lines=[line_row(line) for line in rehashed(lines)])


# One field --------------------------------------------------------------------------------------


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
