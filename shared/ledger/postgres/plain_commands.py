"""Reads the commands of a plain customer from bytes: one signup and payments, all accepted.

Contents are canonical JSON as workers write it. A payment is matched by one regular expression. A
signup is parsed once for all customers whose signups differ only in ids, instant, name and phone.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.ledger.account import Contact
from shared.ledger.audit.allowed import lacks_price, not_allowed
from shared.ledger.audit.customer import Common
from shared.ledger.audit.terms import account_of
from shared.ledger.commands import SignedUp
from shared.ledger.period import label_of
from shared.ledger.policy.policy import Policy
from shared.ledger.postgres.copied import NULL, canonical_instant, read_instant
from shared.ledger.postgres.plain_forms import Period, Shared

MEMORY = 50_000
"""Maximum number of cached forms and signups, up to 2 kB each."""
SIGNUP = b"billing.customer.signed_up.v1"
PAYMENT = b"billing.payment.received.v1"
ID = rb"[A-Za-z0-9._:-]{1,64}"
TEXT = rb'[^"\\\x00-\x1f]{0,500}'
INSTANT = rb"([0-9-]{10}T[0-9:]{5}):[0-5][0-9](?:\.[0-9]{6})?Z"
PAYMENT_CONTENT = re.compile(
    rb'\{"customer_id":"(%b)","payment_id":"(%b)","amount":"(0|[1-9][0-9]{0,9})\.([0-9]{2})"'
    rb',"method":"%b","channel":"(?:online|field)","received_at":"%b"'
    rb'(?:,"reference":"%b")?,"actor":"(%b)"(?:,"shared":true)?\}'
    % (ID, ID, TEXT, INSTANT, TEXT, TEXT)
)
"""Texts without escapes. The event's model accepts every match with a valid instant."""
SIGNUP_CONTENT = re.compile(
    rb'\{"customer_id":"(%b)","signup_id":"(%b)","signed_up_at":"%b"(,"joined_on":"[0-9-]{10}")'
    rb',"name":"(%b)","phone":"(\+[1-9][0-9]{1,14})"([^\\]*)' % (ID, ID, INSTANT, TEXT)
)
OWN_KEYS = (b'"customer_id"', b'"signup_id"', b'"signed_up_at"', b'"joined_on"', b'"name"',
            b'"phone"')  # fmt: skip
FIRST_YEAR, LAST_YEAR = b"2001", b"2198"
"""Every instant of these years is on a day that events may name, in every zone."""

CommandOf = Callable[[str, str, ZoneInfo], Any]


class Doubt(Exception):
    """The history is not plain, or a row is not as expected: the audit decides."""


class Opening(NamedTuple):
    """What customers with equal signups share: the command of one of them, the periods, the first
    period, the fields of their account rows after the customer id, the contact but for name, phone
    and a username that is the customer id, whether it says more than most (`says_more`), and
    whether the policy decides if they may sign up so."""

    signup: SignedUp
    shared: Shared
    first: Period
    begins: bytes
    contact: Contact
    says_more: bool
    needs_leave: bool


class Payment(NamedTuple):
    """The fields of a payment that its lines contain; `written`: its instant as COPY writes it."""

    written: bytes
    amount: int
    command_id: bytes
    day: bytes
    actor: bytes


class Asked(NamedTuple):
    """All commands of a customer: the signup, its instant as COPY writes it (`written`), name and
    phone, and the payments, last one first."""

    opening: Opening
    written: bytes
    name: bytes
    phone: bytes
    payments: list[Payment]


class Commands:
    """Reads commands. Keeps signups and forms from one customer to the next."""

    def __init__(self, common: Common, zone: ZoneInfo, command_of: CommandOf) -> None:
        self._common = common
        self._zone = zone
        self._command_of = command_of
        self._openings: dict[tuple[bytes, bytes], Opening] = {}
        self._shared: dict[Any, Shared] = {}
        self.remembered = 0
        """Number of cached signups and forms; the code that makes a form adds 1 here."""
        self._local_day = lru_cache(maxsize=65_536)(self._day_of_minute)

    def asked(self, customer: bytes, rows: Sequence[bytes]) -> Asked:
        """Read the rows of verify_commands.sql of a customer."""
        if self.remembered > MEMORY:
            self._openings.clear()
            self._shared.clear()
            self.remembered = 0
        signup: tuple[Opening, bytes, bytes, bytes] | None = None
        payments = []
        for row in rows:
            _, kind, content, outcome, reason, command_id, written = row.split(b"\t")
            if outcome != b"accepted" or reason != NULL:
                raise Doubt
            if kind == PAYMENT:
                payments.append(self._payment(customer, content, command_id, written))
            elif kind == SIGNUP and signup is None:
                signup = self._signup(customer, content, command_id, written)
            else:
                raise Doubt
        if signup is None or len({each.command_id for each in payments}) < len(payments):
            raise Doubt
        return Asked(*signup, payments[::-1])

    def _payment(
        self, customer: bytes, content: bytes, command_id: bytes, written: bytes
    ) -> Payment:
        found = PAYMENT_CONTENT.fullmatch(content)
        if found is None:
            raise Doubt
        customer_id, payment_id, whole, cents, minute, actor = found.groups()
        amount = int(whole + cents)
        if customer_id != customer or command_id != b"payment/" + payment_id or not amount:
            raise Doubt
        return Payment(written, amount, command_id, self._local_day(minute), actor)

    def _signup(
        self, customer: bytes, content: bytes, command_id: bytes, written: bytes
    ) -> tuple[Opening, bytes, bytes, bytes]:
        found = SIGNUP_CONTENT.fullmatch(content)
        if found is None:
            raise Doubt
        customer_id, signup_id, minute, joined_on, name, phone, rest = found.groups()
        if customer_id != customer or command_id != b"signup/" + signup_id:
            raise Doubt
        self._local_day(minute)
        canonical_instant(written)  # raises ValueError if it is invalid
        opening = self._openings.get((joined_on, rest))
        if opening is None:
            opening = self._openings[joined_on, rest] = self._opening(content, rest)
        signup = opening.signup
        known = self._common.versions.known(read_instant(written))
        if opening.needs_leave and all(self._refused(signup, policy) for policy in known):
            raise Doubt
        return opening, written, name, phone

    def _opening(self, content: bytes, rest: bytes) -> Opening:
        """Parse a signup once for all customers whose content has the same `rest`. JSON uses the
        last of duplicate keys, so `rest` must not repeat a key that differs per customer."""
        if any(key in rest for key in OWN_KEYS):
            raise Doubt
        try:
            signup = self._command_of(SIGNUP.decode(), content.decode(), self._zone)
        except Exception as error:
            raise Doubt from error
        day = signup.joined_on.day if signup.cycle.kind == "anniversary" else 0
        key = (
            signup.package, signup.extras, signup.cycle, day, signup.mode, signup.vip,
            signup.discount_ppm, signup.vat_exempt,
        )  # fmt: skip
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = Shared(account_of(signup).terms)
        first = shared.period(signup.bill_from, label_of(signup.bill_from))
        self.remembered += 1
        begins = f"\t{signup.joined_on}\t{signup.bill_from}\t{signup.opening_due}\t"
        needs_leave = bool(
            signup.discount_ppm or signup.vat_exempt or signup.vip or signup.opening_due < 0
            or self._sells(signup)
        )  # fmt: skip
        contact = account_of(signup).contact
        assert contact is not None
        said = (signup.address, signup.email, signup.tax_id)
        more = any(said) or not signup.texting or signup.username != signup.customer_id
        return Opening(signup, shared, first, begins.encode(), contact, more, needs_leave)

    def _sells(self, signup: SignedUp) -> bool:
        """Whether a price list decides about the signup."""
        listed = signup.package.price is None or any(each.price is None for each in signup.extras)
        return listed or any(policy.prices for policy in self._common.policies.values())

    def _refused(self, signup: SignedUp, policy: Policy) -> bool:
        return not_allowed(signup, policy) is not None or lacks_price(signup, policy)

    def _day_of_minute(self, minute: bytes) -> bytes:
        """Return the day in the business zone of a UTC minute, both in ISO form. Raises Doubt if
        the minute spans two days or lies outside the allowed years."""
        begins = datetime.fromisoformat(minute.decode()).replace(tzinfo=UTC)
        ends = begins + timedelta(seconds=59)
        day = begins.astimezone(self._zone).date()
        if not FIRST_YEAR <= minute[:4] <= LAST_YEAR or ends.astimezone(self._zone).date() != day:
            raise Doubt
        return day.isoformat().encode()
