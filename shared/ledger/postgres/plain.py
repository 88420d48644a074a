"""Customers with a plain history, judged by bytes: several times as fast as the audit.

A plain history is one accepted signup and any number of accepted payments. Then each row follows
from those before it, but for its instant: it is written here from a form, and must equal the book's
row, hash included. A form is made once for all customers who share it.

Nothing is called a fault here. What differs or is not plain is a doubt, and the audit judges that
customer from the beginning. Nothing may be accepted here that the audit would not accept:
tests/ledger/test_plain.py holds the two equal.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.ledger.account import Contact
from shared.ledger.audit.customer import Common
from shared.ledger.audit.refusals import not_allowed
from shared.ledger.audit.terms import account_of
from shared.ledger.charge import new_bill
from shared.ledger.commands import SignedUp
from shared.ledger.errors import Unreadable
from shared.ledger.line import GENESIS
from shared.ledger.period import label_of, months_after
from shared.ledger.postgres.copied import NULL, canonical_instant, read_instant
from shared.ledger.postgres.plain_forms import Form, Period, Shared, form_of
from shared.ledger.postgres.stored import read_contact, read_terms
from shared.ledger.terms import FIELDS, always

FORMS_MAX = 50_000
"""How many forms are remembered, of some 2 kB each."""
ACTOR_AT, POLICY_VERSION_AT = 18, 20
"""Places in a row of verify_lines.sql."""
SIGNUP = b"billing.customer.signed_up.v1"
PAYMENT = b"billing.payment.received.v1"
PAYMENT_CONTENT = re.compile(
    rb'\{"customer_id":"([A-Za-z0-9._:-]{1,64})","payment_id":"([A-Za-z0-9._:-]{1,64})"'
    rb',"amount":"(0|[1-9][0-9]{0,9})\.([0-9]{2})"'
    rb',"method":"[^"\\\x00-\x1f]{0,500}","channel":"(?:online|field)"'
    rb',"received_at":"([0-9-]{10}T[0-9:]{5}):[0-5][0-9](?:\.[0-9]{6})?Z"'
    rb'(?:,"reference":"[^"\\\x00-\x1f]{1,500}")?,"actor":"([^"\\\x00-\x1f]{0,500})"\}'
)
"""The content of a payment as workers write it, without escapes. The event's model accepts whatever
this matches, where the instant is one."""
FIRST_YEAR, LAST_YEAR = b"2001", b"2198"
"""Within these no day is outside the days that events may name, whatever the zone."""

CommandOf = Callable[[str, str, ZoneInfo], Any]


class Doubt(Exception):
    """Not plain, or not what it must be: the audit decides."""


class Head:
    """A period of one customer, as its latest line has it."""

    __slots__ = ("bill_seq", "due", "form", "paid", "period", "previous_due", "revision")

    def __init__(self, period: Period, form: Form, previous_due: int, bill_seq: int) -> None:
        self.period, self.form = period, form
        self.previous_due, self.paid, self.due = previous_due, 0, previous_due + form.billed
        self.revision, self.bill_seq = 0, bill_seq


class Payment(NamedTuple):
    """What a payment's lines say of it; `told` is its instant as COPY writes it."""

    told: bytes
    amount: int
    command_id: bytes
    day: bytes
    actor: bytes


class Plain:
    """Judges customers by bytes. It remembers forms from one customer to the next."""

    def __init__(self, common: Common, zone: ZoneInfo, command_of: CommandOf) -> None:
        self._common = common
        self._zone = zone
        self._command_of = command_of
        self._shared: dict[Any, Shared] = {}
        self._forms = 0
        self._local_day = lru_cache(maxsize=65_536)(self._day_of_minute)

    def is_right(
        self, customer: bytes, account: bytes, commands: Sequence[bytes], lines: Sequence[bytes]
    ) -> bool:
        """Whether a customer's rows are plain and right: those of verify_accounts.sql,
        verify_commands.sql and verify_lines.sql."""
        try:
            self._follow(customer, account, commands, lines)
        except (Doubt, Unreadable, ValueError):
            return False
        return True

    def _follow(
        self, customer: bytes, account: bytes, commands: Sequence[bytes], lines: Sequence[bytes]
    ) -> None:
        """Write each line anew from those before it; Doubt where the book has another one."""
        signup, signed_up, payments = self._asked(customer, commands)
        shared = self._shared_by(signup)
        excused = _opened(account, signup, shared)
        period = shared.period(signup.bill_from, label_of(signup.bill_from))
        heads: list[Head] = []
        due, version, digest, last = signup.opening_due, 0, GENESIS, b""
        place, count, at = 0, len(lines), len(customer) + 1
        while place < count:
            row = lines[place]
            told = row[at : row.index(b"\t", at)]
            instant = canonical_instant(told)
            if instant < last:
                raise Doubt
            last = instant
            if payments and payments[-1].told == told and b"\tpayment\t" in row:
                place, digest = _paid(payments.pop(), customer, heads, lines, place, digest)
                due = heads[-1].due
                continue
            place += 1
            form = period.form
            hashed = form and _billed(form, row, customer, told, instant, place, due, digest)
            if not hashed:
                form = self._form_of(row, period, shared, signup, told == signed_up)
                hashed = _billed(form, row, customer, told, instant, place, due, digest)
            if form is None or not hashed or form.version < version or period.after is None:
                raise Doubt
            heads.append(Head(period, form, due, place))
            due, version, digest, period = due + form.billed, form.version, hashed, period.after
        billed_to = self._common.days.billed_to
        behind = billed_to is not None and period.starts_on <= billed_to
        if payments or (behind and not excused):
            raise Doubt

    # Commands ---------------------------------------------------------------------------------

    def _asked(
        self, customer: bytes, commands: Sequence[bytes]
    ) -> tuple[SignedUp, bytes, list[Payment]]:
        """Return the signup, its instant as COPY writes it, and the payments, last one first."""
        signup: tuple[SignedUp, bytes] | None = None
        payments = []
        for row in commands:
            _, kind, content, outcome, reason, command_id, told = row.split(b"\t")
            if outcome != b"accepted" or reason != NULL:
                raise Doubt
            if kind == PAYMENT:
                payments.append(self._payment(customer, content, command_id, told))
            elif kind == SIGNUP and signup is None:
                signup = self._signup(customer, content, command_id, told), told
            else:
                raise Doubt
        if signup is None or len({each.command_id for each in payments}) < len(payments):
            raise Doubt
        return *signup, payments[::-1]

    def _signup(self, customer: bytes, content: bytes, command_id: bytes, told: bytes) -> SignedUp:
        canonical_instant(told)  # ValueError where it is none
        if b"\\" in content:
            raise Doubt
        try:
            command = self._command_of(SIGNUP.decode(), content.decode(), self._zone)
        except Exception as error:
            raise Doubt from error
        if (command.customer_id, command.command_id) != (customer.decode(), command_id.decode()):
            raise Doubt
        if command.discount_ppm or command.vat_exempt:
            known = self._common.versions.known(read_instant(told))
            if all(not_allowed(command, policy) for policy in known):
                raise Doubt
        return command  # type: ignore[no-any-return]

    def _payment(self, customer: bytes, content: bytes, command_id: bytes, told: bytes) -> Payment:
        found = PAYMENT_CONTENT.fullmatch(content)
        if found is None:
            raise Doubt
        customer_id, payment_id, whole, cents, minute, actor = found.groups()
        amount = int(whole + cents)
        if customer_id != customer or command_id != b"payment/" + payment_id or not amount:
            raise Doubt
        return Payment(told, amount, command_id, self._local_day(minute), actor)

    def _day_of_minute(self, minute: bytes) -> bytes:
        """Return the day in the business zone of a minute in UTC, both in ISO form."""
        begins = datetime.fromisoformat(minute.decode()).replace(tzinfo=UTC)
        ends = begins + timedelta(seconds=59)
        day = begins.astimezone(self._zone).date()
        if not FIRST_YEAR <= minute[:4] <= LAST_YEAR or ends.astimezone(self._zone).date() != day:
            raise Doubt
        return day.isoformat().encode()

    # Forms ------------------------------------------------------------------------------------

    def _shared_by(self, signup: SignedUp) -> Shared:
        if self._forms > FORMS_MAX:
            self._shared.clear()
            self._forms = 0
        day = signup.joined_on.day if signup.cycle.kind == "anniversary" else 0
        key = (
            signup.package, signup.cycle, day, signup.mode, signup.vip, signup.discount_ppm,
            signup.vat_exempt,
        )  # fmt: skip
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = Shared(account_of(signup).terms)
        return shared

    def _form_of(
        self, row: bytes, period: Period, shared: Shared, signup: SignedUp, at_once: bool
    ) -> Form:
        """Return the form of the policy version and actor that a bill names. The actor is that of
        the signup where it billed `at_once`, or nobody."""
        fields = row.split(b"\t")
        version, actor = int(fields[POLICY_VERSION_AT]), fields[ACTOR_AT]
        policy = self._common.policies.get(version)
        by_signup = at_once and signup.actor is not None and actor == signup.actor.encode()
        if policy is None or not (actor == NULL or by_signup):
            raise Doubt
        form = period.forms.get((version, actor))
        if form is None:
            bill = new_bill(shared.terms, period.starts_on, policy)
            if not bill.active:
                raise Doubt
            form = period.forms[version, actor] = form_of(period, bill, version, actor)
            period.after = shared.period(bill.coverage_to, months_after(period.label, 1))
            self._forms += 1
        if actor == NULL:
            period.form = form
        return form


# Rows -----------------------------------------------------------------------------------------


def _billed(
    form: Form,
    row: bytes,
    customer: bytes,
    told: bytes,
    instant: bytes,
    seq: int,
    previous_due: int,
    digest: bytes,
) -> bytes | None:
    """Return the hash of a bill, None where its row is not what the form makes of it."""
    due = previous_due + form.billed
    hashed = sha256(
        digest + form.bill_hashed % (customer, seq, previous_due, due, customer, instant, seq)
    ).digest()
    wanted = form.bill % (
        customer, told, hashed.hex().encode(), seq, previous_due, due, customer, seq,
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
    """Follow a payment's line and its cascade; return the place after them, and the last hash."""
    if not heads:
        raise Doubt
    first = len(heads) - 1
    while first and payment.day < heads[first].period.starts:
        first -= 1
    heads[first].paid += payment.amount
    due, kind = heads[first].previous_due, b"payment"
    instant = canonical_instant(payment.told)
    for head in heads[first:]:
        form = head.form
        head.revision += 1
        head.previous_due, head.due = due, due + form.billed - head.paid
        said = (
            head.revision, kind, head.previous_due, head.paid, head.due, payment.command_id,
            payment.day, payment.actor,
        )  # fmt: skip
        seq = place + 1
        hashed = form.line_hashed % (customer, seq, *said, instant, head.bill_seq)
        digest = sha256(digest + hashed).digest()
        sealed = digest.hex().encode()
        wanted = form.line % (customer, payment.told, sealed, seq, *said, head.bill_seq)
        if place == len(lines) or lines[place] != wanted:
            raise Doubt
        due, kind, place = head.due, b"restatement", seq
    return place, digest


# Accounts -------------------------------------------------------------------------------------


def _opened(account: bytes, signup: SignedUp, shared: Shared) -> bool:
    """Compare an account's row with its signup; return whether the customer is quarantined."""
    _, joined_on, bill_from, opening_due, terms, contact, quarantined = account.split(b"\t")
    if (
        joined_on != signup.joined_on.isoformat().encode()
        or bill_from != signup.bill_from.isoformat().encode()
        or int(opening_due) != signup.opening_due
        or b"\\" in account
    ):
        raise Doubt
    if terms not in shared.texts:
        found = read_terms(terms.decode())
        if any(getattr(found, name) != getattr(shared.terms, name) for name in FIELDS):
            raise Doubt
        shared.texts.add(terms)
    said = (signup.name, signup.phone, signup.language)
    if contact != (CONTACT % said).encode() and (
        read_contact(contact.decode()) != Contact(*map(always, said))
    ):
        raise Doubt
    return quarantined == b"t"


CONTACT = '{"name": [[null, "%s"]], "phone": [[null, "%s"]], "language": [[null, "%s"]]}'
"""A contact that never changed, as PostgreSQL writes it where no text needs an escape."""
