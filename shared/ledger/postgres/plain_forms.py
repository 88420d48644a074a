"""Forms: templates for the rows of one period of all customers who share its terms and days."""

from datetime import date
from typing import NamedTuple

from shared.ledger.charge import Bill
from shared.ledger.policy.policy import Policy
from shared.ledger.postgres.copied import NULL
from shared.ledger.terms import Terms


class Form(NamedTuple):
    """Templates, for the operator `%`, of the rows of one period of all customers who share its
    terms and days: the bill and any later line, each as a row of verify_lines.sql and in canonical
    form.

    Placeholders of a bill's row: customer, instant, hash, seq, previous_due, due, customer,
    bill_seq; of its canonical form: customer, seq, previous_due, due, customer, instant, bill_seq.
    A later line has revision and kind after seq, paid before due, and command id, effective_on and
    actor in place of the second customer.
    """

    version: int
    billed: int
    made_on: date
    bill: bytes
    bill_hashed: bytes
    line: bytes
    line_hashed: bytes


class Period:
    """A period of all customers who share its terms and first day."""

    __slots__ = ("after", "form", "forms", "label", "starts", "starts_on")

    def __init__(self, starts_on: date, label: str) -> None:
        self.starts_on, self.label = starts_on, label
        self.starts = starts_on.isoformat().encode()
        self.forms: dict[tuple[int, bytes, bytes, bytes], Form] = {}
        """(policy version, actor, made_on, asked_on) -> form; the days as the row has them."""
        self.form: Form | None = None
        """The form of the last bill without an actor, tried first because it is the most likely
        one."""
        self.after: Period | None = None
        """The next period; None until there is a form."""


class Shared:
    """What customers with the same terms share: their periods, and the JSON texts of terms that
    were found equal to these."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.texts: set[bytes] = set()
        self._periods: dict[tuple[date, str], Period] = {}

    def is_priced_by(self, policy: Policy) -> bool:
        """Whether a version itself has a price for all that is sold. What it lacks is read from
        another version; which one depends on the time, so the audit looks."""
        codes = [package.code for _, package in self.terms.package if package.price is None]
        extras = (extra for _, each in self.terms.extras for extra in each)
        codes += [extra.code for extra in extras if extra.price is None]
        return all(code in policy.prices for code in codes)

    def period(self, starts_on: date, label: str) -> Period:
        key = starts_on, label
        if key not in self._periods:
            self._periods[key] = Period(*key)
        return self._periods[key]


def form_of(period: Period, bill: Bill, version: int, actor: bytes, made_on: date) -> Form:
    """Return the form of a period's rows. The bill must not be a skip row. A `%` in an actor is
    escaped. `made_on` is the day on which the bill was made; nothing raises it later."""
    assert bill.active
    days_of = (made_on, max(made_on, period.starts_on))
    dates = [NULL if day == period.starts_on else day.isoformat().encode() for day in days_of]
    unhashed = b"\t%b\t%b\t\\N\t\\N" % (dates[0], dates[1])
    label, starts, named = period.label.encode(), period.starts, b"%d" % version
    amounts = b"\t%d\t%d\t%d\t" % (bill.charge, bill.discount, bill.vat)
    days = b"\t%b\t%b\t" % (starts, bill.coverage_to.isoformat().encode())
    exempt = b"t" if bill.vat_exempt else b"f"
    kept = b"\t%d\t%d\t%b\t%b\tt\t" % (bill.anchor_day, bill.discount_ppm, exempt, named)
    frozen = kept + b"%d\t0\t0\t0\t0"
    by = starts + b"\t" + actor.replace(b"%", b"%%")
    first = b"%d\t" + label + b"\t0\tbill\t%d" + amounts + b"0\t%d" + days
    first += b"bill/%b/" + label + b"\t\\N\t" + by + b"\t\\N\t" + named
    later = b"%d\t" + label + b"\t%d\t%b\t%d" + amounts + b"%d\t%d" + days
    later += b"%b\t\\N\t%b\t%b\t\\N\t" + named
    billed = bill.charge - bill.discount + bill.vat
    both = (*_both(first, frozen, unhashed), *_both(later, frozen, unhashed))
    return Form(version, billed, made_on, *both)


def _both(line: bytes, frozen: bytes, unhashed: bytes) -> tuple[bytes, bytes]:
    """Return the templates of a line's row and of its canonical form."""
    row = b"%b\t%b\t\\\\x%b\t" + line + frozen + unhashed
    return row, (b"%b\t" + line + b"\t%b" + frozen).replace(b"\t", b"\n")
