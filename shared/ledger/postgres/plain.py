"""Verifies customers with a plain history by comparing bytes, several times as fast as the audit.

A plain history is one accepted signup and any number of accepted payments. Each line then follows
from the lines before it, except for its instant. So the expected row is written from a form, a
template shared by many customers, and must equal the book's row, including the hash.

This module reports no faults. If a row differs or the history is not plain, it raises Doubt, and
the audit judges that customer from the beginning. It must never accept what the audit would not
accept; tests/ledger/test_plain.py compares the two.
"""

from collections.abc import Collection, Sequence
from datetime import date
from hashlib import sha256
from typing import Any, Literal
from zoneinfo import ZoneInfo

from shared.ledger.audit.asked_for import days_made
from shared.ledger.audit.customer import Common
from shared.ledger.charge import new_bill
from shared.ledger.commands import SignedUp
from shared.ledger.errors import Unreadable
from shared.ledger.line import GENESIS
from shared.ledger.period import months_after
from shared.ledger.policy.prices import Unpriced
from shared.ledger.postgres.copied import NULL, canonical_instant, read_day, read_instant
from shared.ledger.postgres.plain_commands import (
    Asked,
    CommandOf,
    Commands,
    Doubt,
    Opening,
    Payment,
)
from shared.ledger.postgres.plain_forms import Form, Period, form_of
from shared.ledger.postgres.stored import read_contact, read_terms
from shared.ledger.terms import FIELDS, always

ACTOR_AT, POLICY_VERSION_AT, MADE_AT = 18, 20, 31
"""Field indexes in a row of verify_lines.sql."""


MADE_MAX = 50_000


class Head:
    """A period of one customer, as of its latest line."""

    __slots__ = ("bill_seq", "due", "form", "paid", "period", "previous_due", "revision")

    def __init__(self, period: Period, form: Form, previous_due: int, bill_seq: int) -> None:
        self.period, self.form = period, form
        self.previous_due, self.paid, self.due = previous_due, 0, previous_due + form.billed
        self.revision, self.bill_seq = 0, bill_seq


class Plain:
    """Verifies customers by comparing bytes. Keeps forms from one customer to the next."""

    def __init__(self, common: Common, zone: ZoneInfo, command_of: CommandOf) -> None:
        self._common = common
        self._commands = Commands(common, zone, command_of)
        self._made: dict[Any, Collection[date]] = {}

    def is_right(
        self, customer: bytes, account: bytes, commands: Sequence[bytes], lines: Sequence[bytes]
    ) -> bool:
        """Return whether a customer has a plain history and all their rows are right: rows of
        verify_accounts.sql, verify_commands.sql and verify_lines.sql."""
        try:
            self._follow(customer, account, commands, lines)
        except (Doubt, Unreadable, Unpriced, ValueError):
            return False
        return True

    def _follow(
        self, customer: bytes, account: bytes, commands: Sequence[bytes], lines: Sequence[bytes]
    ) -> None:
        """Derive each line from those before it. Raises Doubt if the book's line differs."""
        asked = self._commands.asked(customer, commands)
        excused = _opened(account, customer, asked)
        payments, period = asked.payments, asked.opening.first
        heads: list[Head] = []
        due, version, digest, last = asked.opening.signup.opening_due, 0, GENESIS, b""
        place, count, at = 0, len(lines), len(customer) + 1
        while place < count:
            row = lines[place]
            written = row[at : row.index(b"\t", at)]
            instant = canonical_instant(written)
            if instant < last:
                raise Doubt
            last = instant
            if payments and payments[-1].written == written and b"\tpayment\t" in row:
                place, digest = _paid(payments.pop(), customer, heads, lines, place, digest)
                due = heads[-1].due
                continue
            place += 1
            form = period.form
            hashed = form and _billed(form, row, customer, written, instant, place, due, digest)
            if not hashed:
                form = self._form_of(row, period, asked.opening, written == asked.written)
                hashed = _billed(form, row, customer, written, instant, place, due, digest)
            if form is None or not hashed or form.version < version or period.after is None:
                raise Doubt
            if form.made_on not in self._days_made(
                written, written == asked.written and asked.opening.signup
            ):
                raise Doubt
            if payments:  # only a payment reads earlier periods
                heads.append(Head(period, form, due, place))
            due, version, digest, period = due + form.billed, form.version, hashed, period.after
        billed_to = self._common.days.billed_to
        behind = billed_to is not None and period.starts_on <= billed_to
        if payments or (behind and not excused):
            raise Doubt

    def _form_of(self, row: bytes, period: Period, opening: Opening, at_once: bool) -> Form:
        """Return the form for the policy version and actor of a bill. The actor may be that of the
        signup, if the signup made the bill (`at_once`), or null."""
        fields = row.split(b"\t")
        version, actor = int(fields[POLICY_VERSION_AT]), fields[ACTOR_AT]
        made, asked = fields[MADE_AT : MADE_AT + 2]
        policy = self._common.policies.get(version)
        clerk = opening.signup.actor
        by_signup = at_once and clerk is not None and actor == clerk.encode()
        if policy is None or not (actor == NULL or by_signup):
            raise Doubt
        form = period.forms.get((version, actor, made, asked))
        if form is None:
            if not opening.shared.is_priced_by(policy):
                raise Doubt
            bill = new_bill(opening.shared.terms, period.starts_on, policy)
            if not bill.active:
                raise Doubt
            made_on = period.starts_on if made == NULL else read_day(made)
            form = form_of(period, bill, version, actor, made_on)
            period.forms[version, actor, made, asked] = form
            self._commands.remembered += 1
            period.after = opening.shared.period(bill.coverage_to, months_after(period.label, 1))
        if actor == NULL:
            period.form = form
        return form

    def _days_made(self, written: bytes, signup: SignedUp | Literal[False]) -> Collection[date]:
        """Return the days that bills of an instant may bear; `signup` is one of the same instant.
        What earlier releases wrote bears the first day that it covers, which the audit checks."""
        key = written, signup and signup.signed_up_on
        days = self._made.get(key)
        if days is None:
            instant = read_instant(written)
            if self._common.days.earlier(instant):
                raise Doubt
            if len(self._made) > MADE_MAX:
                self._made.clear()
            known = self._common.days.dates.known(instant)
            days = self._made[key] = days_made(known, [signup] if signup else [])
        return days


# Rows -----------------------------------------------------------------------------------------


def _billed(
    form: Form,
    row: bytes,
    customer: bytes,
    written: bytes,
    instant: bytes,
    seq: int,
    previous_due: int,
    digest: bytes,
) -> bytes | None:
    """Return the hash of a bill; None if its row is not the one that the form gives."""
    due = previous_due + form.billed
    hashed = sha256(
        digest + form.bill_hashed % (customer, seq, previous_due, due, customer, instant, seq)
    ).digest()
    wanted = form.bill % (
        customer, written, hashed.hex().encode(), seq, previous_due, due, customer, seq,
    )  # fmt: skip
    return hashed if row == wanted else None


def _paid(
    payment: Payment,
    customer: bytes,
    heads: Sequence[Head],
    lines: Sequence[bytes],
    place: int,
    digest: bytes,
) -> tuple[int, bytes]:
    """Check a payment's line and its cascade; return the index after them, and the last hash."""
    if not heads:
        raise Doubt
    first = len(heads) - 1
    while first and payment.day < heads[first].period.starts:
        first -= 1
    heads[first].paid += payment.amount
    due, kind = heads[first].previous_due, b"payment"
    instant = canonical_instant(payment.written)
    for head in heads[first:]:
        form = head.form
        head.revision += 1
        head.previous_due, head.due = due, due + form.billed - head.paid
        fields = (
            head.revision, kind, head.previous_due, head.paid, head.due, payment.command_id,
            payment.day, payment.actor,
        )  # fmt: skip
        seq = place + 1
        hashed = form.line_hashed % (customer, seq, *fields, instant, head.bill_seq)
        digest = sha256(digest + hashed).digest()
        sealed = digest.hex().encode()
        wanted = form.line % (customer, payment.written, sealed, seq, *fields, head.bill_seq)
        if place == len(lines) or lines[place] != wanted:
            raise Doubt
        due, kind, place = head.due, b"restatement", seq
    return place, digest


# Accounts -------------------------------------------------------------------------------------


def _opened(account: bytes, customer: bytes, asked: Asked) -> bool:
    """Compare an account's row with its signup; return whether the customer is quarantined."""
    opening, _, name, phone, _ = asked
    begins = customer + opening.begins
    if not account.startswith(begins) or b"\\" in account:
        raise Doubt
    terms, contact, quarantined = account[len(begins) :].split(b"\t")
    shared, language = opening.shared, opening.signup.language
    if terms not in shared.texts:
        found = read_terms(terms.decode())
        if any(getattr(found, name) != getattr(shared.terms, name) for name in FIELDS):
            raise Doubt
        shared.texts.add(terms)
    usual = CONTACT % (name, phone, language.encode(), customer)
    if contact != usual or opening.says_more:
        own = opening.signup.username != opening.signup.customer_id
        wanted = opening.contact._replace(
            name=always(name.decode()),
            phone=always(phone.decode()),
            username=opening.signup.username if own else customer.decode(),
        )
        if read_contact(contact.decode()) != wanted:
            raise Doubt
    return quarantined == b"t"


CONTACT = (
    b'{"name": [[null, "%b"]], "phone": [[null, "%b"]], "language": [[null, "%b"]]'
    b', "username": "%b"}'
)
"""A contact that never changed, as PostgreSQL writes it if no text needs escaping."""
