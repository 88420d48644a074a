"""Short runs of commands about one thing, each ending where an undo no longer fits.

Chance alone seldom brings them about: a refund restored after its payment went, a
discount restored after its bill went, a skip row rebilled over a cancelled bill.
"""

import random
from datetime import date, timedelta
from typing import Any

from shared.ledger import commands as c
from shared.ledger.terms import Cycle, Package
from tests.support.naive_account import Period
from tests.support.naive_prices import month_after

KINDS = ("refund", "credit", "reference", "discount", "skip", "custom", "restored")


def tangle(chosen: random.Random, serial: str, who: str, last: Period, today: date) -> list[Any]:
    """Return the commands of one tangle about a customer's last period, ids made of `serial`."""
    make = _Commands(serial, who, last, today)
    kind = chosen.choice(KINDS)
    if kind == "refund":
        gone = chosen.choice((make.cancel(2, make.paid(1)), make.refund(2, make.paid(1))))
        return [
            make.pay(1),
            make.refund(1, make.paid(1)),
            make.cancel(1, f"refund/{serial}.1"),
            gone,
            make.cancel(3, f"cancellation/{serial}.1"),
        ]
    if kind == "credit":
        return [
            make.pay(1, amount=900_000),
            make.refund(1, None),
            make.cancel(1, f"refund/{serial}.1"),
            make.cancel(2, make.paid(1)),
            make.cancel(3, f"cancellation/{serial}.1"),
        ]
    if kind == "reference":
        return [
            make.pay(1, reference="r9"),
            make.cancel(1, make.paid(1)),
            make.pay(2, reference="r9"),
            make.cancel(2, f"cancellation/{serial}.1"),
            make.cancel(3, make.paid(2)),
        ]
    if kind == "discount":
        return [
            make.grant(1),
            make.cancel(1, f"discount/{serial}.1"),
            make.grant(2),
            make.cancel(2, make.bill),
            make.cancel(3, f"cancellation/{serial}.1"),
            make.cancel(4, f"cancellation/{serial}.2"),
        ]
    if kind == "skip":
        over_the_skip = (
            make.up_to(1, 1),
            make.status(2, "active", today),
            make.cancel(4, make.bill),
        )
        return [
            make.cancel(1, make.bill),
            make.status(1, chosen.choice(("suspended", "left")), last.starts),
            make.rebill(1),
            chosen.choice(over_the_skip),
            make.cancel(2, f"cancellation/{serial}.1"),
            make.cancel(3, make.bill),
        ]
    if kind == "restored":
        ahead = f"bill/{who}/{month_after(last.label)}"
        return [
            make.up_to(1, 40),
            make.cancel(1, ahead),
            make.terms(1, chosen),
            make.rebill(1, month_after(last.label)),
            make.cancel(2, ahead),
            make.cancel(3, f"cancellation/{serial}.1"),
            make.package(1, 77_777),
        ]
    return [make.custom(1, chosen), make.up_to(1, 2), make.up_to(2, 4), make.up_to(3, 50)]


class _Commands:
    """Makes the commands of one tangle: all by `boss`, all on one day."""

    def __init__(self, serial: str, who: str, last: Period, today: date) -> None:
        self.serial, self.who, self.last, self.today = serial, who, last, today
        self.bill = f"bill/{who}/{last.label}"

    def paid(self, n: int) -> str:
        return f"payment/{self.serial}.{n}"

    def pay(self, n: int, amount: int = 50_000, reference: str | None = None) -> Any:
        return c.PaymentReceived(
            self.paid(n), self.who, amount, "cash", "field", self.today, reference, "field-1"
        )

    def refund(self, n: int, of: str | None) -> Any:
        payment_id = None if of is None else of.removeprefix("payment/")
        return c.RefundMade(
            f"refund/{self.serial}.{n}", self.who, 50_000, payment_id, self.today, "boss", "moved"
        )

    def cancel(self, n: int, target: str) -> Any:
        return c.CancellationRequested(
            f"cancellation/{self.serial}.{n}", self.who, target, self.today, "boss", "mistake"
        )

    def grant(self, n: int) -> Any:
        name, label = f"discount/{self.serial}.{n}", self.last.label
        return c.DiscountGranted(name, self.who, 1_000, label, self.today, "boss", "goodwill")

    def rebill(self, n: int, label: str | None = None) -> Any:
        name, label = f"rebill/{self.serial}.{n}", label or self.last.label
        return c.RebillRequested(name, self.who, label, self.today, "boss", "reissue")

    def status(self, n: int, value: str, day: date) -> Any:
        name = f"change/{self.serial}.s{n}"
        return c.Changed(name, self.who, day, self.today, "boss", True, status=value)

    def terms(self, n: int, chosen: random.Random) -> Any:
        """Change percent and exemption from the end of the last period on, told by then."""
        name, day = f"change/{self.serial}.t{n}", self.last.ends
        ppm, exempt = chosen.choice((0, 330_000)), chosen.random() < 0.5
        told_on = min(day, self.today)
        return c.Changed(
            name, self.who, day, told_on, "boss", None, discount_ppm=ppm, vat_exempt=exempt
        )

    def package(self, n: int, price: int) -> Any:
        name, day = f"change/{self.serial}.p{n}", self.last.ends
        package = Package(f"p-{price}", price)
        return c.Changed(name, self.who, day, self.today, "boss", True, package=package)

    def custom(self, n: int, chosen: random.Random) -> Any:
        cycle, day = Cycle("custom", chosen.randint(1, 31)), self.last.ends + timedelta(days=20)
        name = f"change/{self.serial}.c{n}"
        return c.Changed(name, self.who, day, self.today, "boss", None, cycle=cycle)

    def up_to(self, n: int, days: int) -> Any:
        day = self.last.ends + timedelta(days=days)
        return c.BillUpToSet(f"bill_up_to/{self.serial}.{n}", self.who, day, self.today, "boss")
