"""Random histories over all commands, the same for the same seed.

    for step in history(seed=7).steps:
        engine.apply_policy(step) if isinstance(step, Policy) else engine.apply(step)

The generator plays each step on the naive model as it goes and looks there for targets:
most steps mean something, some are refused on purpose, some come twice or too early.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from shared.ledger import commands as c
from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff, Tax
from shared.ledger.policy.prices import NO_PRICES, Price, PriceList
from shared.ledger.terms import Cycle, Extra, Extras, Package
from tests.support.naive import Naive, Outcome
from tests.support.naive_account import Account, Period
from tests.support.naive_prices import anchor_day, month_after, month_of
from tests.support.tangles import tangle

STARTS = date(2025, 11, 20)
PRICES = (100_000, 80_000, 150_000, 99_999, 33_333, 1, 0)
ANCHORS = (1, 5, 10, 15, 20, 28, 29, 30, 31)
PERCENTS = (0, 0, 50_000, 100_000, 125_000, 1_000_000)
REFERENCES = ("r1", "R1 ", "r2", "r3", " ")
USERNAMES = ("c-1", "c-2", "ana", "bob")
LABELS_UNKNOWN = ("2019-03", "2099-12")

SD = Tax("SD", 100_000, date(2025, 1, 9), None)
VAT_OLD = Tax("VAT", 50_000, date(2020, 1, 1), date(2026, 1, 1), ("SD",))
VAT_NEW = Tax("VAT", 75_000, date(2026, 1, 1), None, ("SD",))
VAT_LATER = Tax("VAT", 150_000, date(2026, 4, 1), None)
TAXES: tuple[tuple[Tax, ...], ...] = (
    (),
    (VAT_OLD, VAT_NEW),
    (SD, VAT_OLD, VAT_NEW),
    (SD, VAT_NEW._replace(ends=date(2026, 4, 1)), VAT_LATER),
)
LISTS = (
    NO_PRICES,
    PriceList([Price("l-1", date(2025, 6, 1), 100_000), Price("l-1", date(2026, 2, 10), 110_000)]),
    PriceList(
        [
            Price("l-1", date(2026, 1, 1), 90_000, "Home"),
            Price("l-2", date(2026, 1, 1), 150_000),
            Price("l-2", date(2026, 3, 1), 140_050),
            Price("ip", date(2025, 1, 1), 20_000, "Address"),
            Price("ip", date(2026, 2, 15), 25_000),
        ]
    ),
)
EXTRA_CODES = ("ip", "tv")
STAFF = {
    "boss": Staff(PERMISSIONS),
    "lead": Staff(PERMISSIONS, 200_000),
    "clerk": Staff(frozenset({"discount", "cancel"}), 100_000),
    "till": Staff(frozenset()),
}


class History(NamedTuple):
    """The steps, commands and policy versions in order, and the seed that makes them again."""

    seed: int
    steps: list[Any]


class Telling(NamedTuple):
    """A history with what the naive model said: to each command at once, and in the end."""

    history: History
    outcomes: list[Outcome]
    model: Naive


def history(seed: int, size: int = 30, customers: int = 3) -> History:
    """Make a history of `size` steps; equal arguments make equal histories."""
    return telling(seed, size, customers).history


def telling(seed: int, size: int = 30, customers: int = 3) -> Telling:
    """Make a history together with the naive model that it was made on."""
    return made_by(Maker(seed, customers), seed, size)


def made_by(maker: "Maker", seed: int, size: int) -> Telling:
    steps: list[Any] = [maker.policy(), *maker.signups()]
    while len(steps) < size:
        steps.append(maker.step())
    return Telling(History(seed, steps), maker.outcomes, maker.model)


def played(told: History) -> Naive:
    """Play a history on a fresh naive model."""
    model = Naive()
    for step in told.steps:
        if isinstance(step, Policy):
            model.apply_policy(step)
        else:
            model.apply(step)
    return model


def coverage(histories: Iterable[History]) -> Counter[tuple[str, ...]]:
    """Count what histories bring about: (command, outcome[, reason]), and ("line", kind)."""
    seen: Counter[tuple[str, ...]] = Counter()
    for told in histories:
        model = Naive()
        for step in told.steps:
            if isinstance(step, Policy):
                model.apply_policy(step)
                continue
            outcome = model.apply(step)
            told_of = (type(step).__name__, outcome.kind)
            seen[(*told_of, outcome.reason) if outcome.reason else told_of] += 1
        for account in model.accounts.values():
            seen.update(("line", line.kind) for line in account.lines)
    return seen


class Maker:
    """Makes one step after another, each played at once, so the next can refer to it."""

    def __init__(self, seed: int, customers: int) -> None:
        self.random = random.Random(seed)
        self.model = Naive()
        self.customers = [f"c-{n + 1}" for n in range(customers)]
        self.today = STARTS + timedelta(days=self.random.randrange(60))
        self.made: list[Any] = []
        self.outcomes: list[Outcome] = []
        self.serial = 0
        self.tangled: list[Any] = []
        self.makers: dict[Callable[[], Any], int] = {
            self.tick: 20,
            self.change: 18,
            self.payment: 12,
            self.discount: 7,
            self.adjustment: 5,
            self.refund: 8,
            self.cancellation: 22,
            self.bill_up_to: 7,
            self.rebill: 5,
            self.signup: 2,
            self.again: 4,
            self.policy: 2,
            self.tangle: 5,
        }

    def step(self) -> Any:
        if self.tangled and self._chance(0.8):
            return self._play(self.tangled.pop(0))
        [make] = self.random.choices(list(self.makers), weights=list(self.makers.values()))
        return make()

    def signups(self) -> list[Any]:
        """Sign most of the customers up at the start; the rest come later, or never."""
        first = self.customers[: self.random.randint(1, len(self.customers))]
        return [self.signup(customer_id) for customer_id in first]

    def policy(self) -> Policy:
        staff = {name: who for name, who in STAFF.items() if self._chance(0.95)}
        policy = Policy(
            self.model.policy.version + 1,
            self.random.choice(TAXES),
            MappingProxyType(staff),
            self.random.choice((0, 5, 10)),
            self.random.choice(LISTS),
        )
        self.model.apply_policy(policy)
        return policy

    def signup(self, customer_id: str | None = None) -> Any:
        customer_id = customer_id or self._customer()
        joined_on = self._day(-70, 3)
        if self._chance(0.3):
            joined_on = anchor_day(month_of(joined_on), self.random.choice((29, 30, 31)))
        if self._chance(0.04):
            joined_on -= timedelta(days=1200)
        bill_from = joined_on
        if self._chance(0.2):
            bill_from += timedelta(days=self.random.randrange(90))
        return self._play(
            c.SignedUp(
                f"signup/{customer_id}.{self._next()}" if self._chance(0.5) else self._id("signup"),
                customer_id,
                self._day(-3, 3) + timedelta(days=400 * self._chance(0.03)),
                joined_on,
                bill_from,
                "Rahim",
                "+8801711000001",
                "en",
                self._package(),
                self._cycle(joined_on),
                self.random.choice(("cumulative", "monthly")),
                self._chance(0.1),
                self.random.choice(PERCENTS) if self._chance(0.5) else 0,
                self._chance(0.1),
                self.random.choice((0, 0, 0, 25_000, -40_000)),
                self._actor(),
                self._username() if self._chance(0.2) else customer_id,
                self._extras() if self._chance(0.4) else (),
                self._chance(0.9),
                self._chance(0.1),
                "Road 1" if self._chance(0.2) else None,
            )
        )

    def tick(self) -> Any:
        self.today += timedelta(days=self.random.choice((0, 1, 5, 12, 20, 30, 31, 44, 50)))
        as_of = self.today
        if self._chance(0.1):
            as_of -= timedelta(days=self.random.randrange(60))
        label = month_of(as_of)
        if self._chance(0.03):
            label = month_after(label)
        tick_id = f"t{self._next()}"
        kind = self.random.choice(("nightly", "manual", "sweep"))
        return self._play(
            c.Ticked(f"tick/{tick_id}", tick_id, label, as_of, kind, self._chance(0.7))
        )

    def change(self) -> Any:
        account = self._account()
        fields = self.random.choices(
            (
                "package",
                "extras",
                "status",
                "cycle",
                "mode",
                "vip",
                "discount_ppm",
                "vat_exempt",
                "phone",
                "username",
                "texting",
                "address",
                "grace_until",
            ),
            weights=(8, 4, 12, 4, 1, 1, 3, 2, 1, 2, 1, 1, 1),
            k=self.random.choice((1, 1, 1, 2)),
        )
        values: dict[str, Any] = {
            "package": self._package(),
            "status": self.random.choice(("active", "active", "suspended", "suspended", "left")),
            "cycle": self._cycle(account.signup.joined_on if account else self.today),
            "mode": self.random.choice(("cumulative", "monthly")),
            "vip": self._chance(0.5),
            "discount_ppm": self.random.choice(PERCENTS),
            "vat_exempt": self._chance(0.5),
            "phone": "+8801711000002",
            "extras": self._extras(),
            "username": self._username(),
            "texting": self._chance(0.5),
            "address": f"Road {self.random.randint(1, 9)}",
            "grace_until": self._day(-10, 40),
        }
        changed_on = self._day(-5, 5)
        if self._chance(0.03 if self.model.business_date else 0.15):
            changed_on += timedelta(days=self.random.choice((70, 360, 1300)))
        effective_on = changed_on + timedelta(days=self._either((0, 0), (-75, 45)))
        if self._chance(0.25):
            values["until"] = effective_on + timedelta(days=self.random.choice((1, 9, 31, 70)))
            fields.append("until")
        return self._play(
            c.Changed(
                self._id("change"),
                self._customer(account),
                effective_on,
                changed_on,
                self._actor(),
                self.random.choice((None, None, True, False)),
                **{name: values[name] for name in fields},
            )
        )

    def payment(self) -> Any:
        account = self._account()
        due = account.due() if account else 0
        return self._play(
            c.PaymentReceived(
                self._id("payment"),
                self._customer(account),
                self.random.choice((due if due > 0 else 50_000, 20_000, 123_45, 300_000)),
                self.random.choice(("cash", "bkash")),
                self.random.choice(("online", "field")),
                self._day(-60, 5),
                self.random.choice(REFERENCES) if self._chance(0.35) else None,
                "field-1",
                self._chance(0.4),
            )
        )

    def discount(self) -> Any:
        account = self._account()
        label = self._label(account)
        period = account.period(label) if account and label else None
        billed = period.row(0).billed if period else 50_000
        amount = self.random.choice((billed // 20, billed // 11, billed // 3, billed, billed + 1))
        return self._play(
            c.DiscountGranted(
                self._id("discount"),
                self._customer(account),
                max(1, amount),
                label,
                self._day(-40, 5),
                self._actor(),
                "goodwill",
            )
        )

    def adjustment(self) -> Any:
        account = self._account()
        return self._play(
            c.AdjustmentMade(
                self._id("adjustment"),
                self._customer(account),
                self.random.choice((10_000, 3_333, -5_000, -12_345, -150_000)),
                self._label(account),
                self._day(-60, 5),
                self._actor(),
                "router",
                self._chance(0.15),
            )
        )

    def refund(self) -> Any:
        account = self._account()
        payments = list(account.entries("payments")) if account else []
        payment_id, amount = None, self.random.choice((5_000, 30_000, 100_000))
        if payments and self._chance(0.6):
            payment = self.random.choice(payments)[1]
            payment_id = payment.command_id.removeprefix("payment/")
            amount = self.random.choice((payment.amount, payment.amount // 2, payment.amount + 1))
        elif self._chance(0.1):
            payment_id = "nobody-paid-this"
        elif account and account.due() < 0 and self._chance(0.7):
            amount = -account.due()
        return self._play(
            c.RefundMade(
                self._id("refund"),
                self._customer(account),
                amount,
                payment_id,
                self._day(-20, 5),
                self._actor(),
                "moved",
            )
        )

    def cancellation(self) -> Any:
        account = self._account()
        target, customer_id = self._target(account), self._customer(account)
        waiting = [each for parked in self.model.parked.values() for each in parked]
        for each in waiting:
            if each.command_id == target:
                customer_id = each.customer_id
        return self._play(
            c.CancellationRequested(
                self._id("cancellation"),
                customer_id,
                target,
                self._day(-5, 5),
                self._actor(),
                "mistake",
            )
        )

    def bill_up_to(self) -> Any:
        account = self._account()
        reached = account.billed_through() if account else self.today
        ahead = self.random.choice((-3, 1, 2, 4, 10, 15, 29, 35, 60, 100))
        if self._chance(0.06):
            ahead = 1200
        return self._play(
            c.BillUpToSet(
                self._id("bill_up_to"),
                self._customer(account),
                reached + timedelta(days=ahead),
                self._day(-3, 3),
                self._actor(),
            )
        )

    def rebill(self) -> Any:
        account = self._account()
        cancelled = [p.label for p in _periods(account) if p.is_cancelled()]
        label = self._label(account) or month_of(self.today)
        if cancelled and self._chance(0.8):
            label = self.random.choice(cancelled)
        return self._play(
            c.RebillRequested(
                self._id("rebill"),
                self._customer(account),
                label,
                self._day(-3, 3),
                self._actor(),
                "reissue",
            )
        )

    def again(self) -> Any:
        """Send an earlier event once more; sometimes with other content under its id."""
        earlier = self.random.choice(self.made) if self.made else self.tick()
        if self._chance(0.4):
            other = {"amount": 777, "actor": "somebody", "as_of": date(2031, 1, 1)}
            field = next(name for name in other if name in earlier._fields)
            earlier = earlier._replace(**{field: other[field]})
        return self._play(earlier)

    def tangle(self) -> Any:
        """Begin a tangle, which the following steps mostly go on with."""
        account = self._account()
        if account is None or not account.periods:
            return self.tick()
        who, last = account.signup.customer_id, account.periods[-1]
        self.tangled = tangle(self.random, f"x{self._next()}", who, last, self.today)
        return self._play(self.tangled.pop(0))

    # -- choices ---------------------------------------------------------------------------

    def _play(self, command: Any) -> Any:
        self.outcomes.append(self.model.apply(command))
        self.made.append(command)
        return command

    def _chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def _either(self, usual: tuple[int, int], wide: tuple[int, int]) -> int:
        return self.random.randint(*(usual if self._chance(0.5) else wide))

    def _day(self, earliest: int, latest: int) -> date:
        """Return today mostly, else a day so many days around it."""
        return self.today + timedelta(days=self._either((0, 0), (earliest, latest)))

    def _next(self) -> int:
        self.serial += 1
        return self.serial

    def _id(self, kind: str) -> str:
        return f"{kind}/{kind[0]}{self._next()}"

    def _actor(self) -> str:
        return self.random.choices(("boss", "lead", "clerk", "till", "nobody"), (70, 12, 10, 4, 4))[
            0
        ]

    def _customer(self, account: Account | None = None) -> str:
        return account.signup.customer_id if account else self.random.choice(self.customers)

    def _account(self) -> Account | None:
        """Return a customer that has signed up, mostly; None for any customer at all."""
        accounts = list(self.model.accounts.values())
        return self.random.choice(accounts) if accounts and self._chance(0.95) else None

    def _package(self) -> Package:
        if self._chance(0.3):
            return Package(self.random.choice(("l-1", "l-1", "l-2", "l-9")), None)
        price = self.random.choices(PRICES, weights=(6, 6, 6, 6, 6, 1, 1))[0]
        return Package(f"p-{price}", price)

    def _extras(self) -> Extras:
        codes = [code for code in EXTRA_CODES if self._chance(0.5)]
        return tuple(
            Extra(code, self.random.choice((None, 5_000, 12_345)), self.random.choice((1, 1, 3)))
            for code in sorted(codes)
        )

    def _username(self) -> str:
        return self.random.choice(USERNAMES)

    def _cycle(self, joined_on: date) -> Cycle:
        kind = self.random.choice(("start_of_month", "anniversary", "custom"))
        days = {"start_of_month": 1, "anniversary": joined_on.day}
        return Cycle(kind, days.get(kind) or self.random.choice(ANCHORS))

    def _label(self, account: Account | None) -> str | None:
        """Return no label, one of the customer's, or one that nobody has."""
        if self._chance(0.06):
            return self.random.choice(LABELS_UNKNOWN)
        labels = [period.label for period in _periods(account)]
        return self.random.choice(labels) if labels and self._chance(0.6) else None

    def _target(self, account: Account | None) -> str:
        """Return something to cancel: live, cancelled before, an undo, or nothing at all."""
        waiting = [each for each in self.model.parked.values() if each]
        if waiting and self._chance(0.3):
            return str(self.random.choice(self.random.choice(waiting)).command_id)
        if account is None or not account.periods or self._chance(0.05):
            return self.random.choice(["payment/none", "bill/c-9/2026-01", *self._ids()])
        if account.cancellations and self._chance(0.4):
            return self.random.choice(list(account.cancellations))
        bills = [f"bill/{account.signup.customer_id}/{p.label}" for p in account.periods[-4:]]
        entries = [
            entry.command_id
            for kind in ("payments", "refunds", "adjustments")
            for _, entry in account.entries(kind)
        ]
        grants = [g.command_id for p in account.periods for b in p.bills for g in b.grants]
        return self.random.choice([*bills, *entries, *entries, *grants, *grants])

    def _ids(self) -> list[str]:
        return [command.command_id for command in self.made]


def _periods(account: Account | None) -> list[Period]:
    return account.periods if account else []
