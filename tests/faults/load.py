"""What a chaos run publishes: every kind of command, in no order but that of chance.

Nothing here knows what is to come of it: the checker reads the topics back and asks the naive
model.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from shared.schemas.envelope import Message
from shared.schemas.publish import binary, structured
from shared.schemas.topics import PAYMENTS, SIGNUPS, TICKS
from tests.faults.published import Published

DAYS = ("2026-02-01", "2026-03-01", "2026-04-01", "2026-05-01")
TRIGGERS = ("nightly", "manual", "sweep")
CUSTOMERS = 120
WAVES, WAVE_SECONDS = 20, 0.15
"""Events come in waves: whatever is broken, there is work at that moment."""
POLICY = """
[[tax]]
code = "SD"
rate = "10"
from = 2026-03-01
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
on = ["SD"]
[[staff]]
id = "boss"
may = [
    "discount", "vat_exempt", "cancel", "refund", "adjust", "bill_up_to", "rebill", "price", "vip",
]
[[staff]]
id = "clerk"
may = ["discount", "cancel"]
max_discount_percent = "10"
[[price]]
code = "home"
from = 2026-01-01
amount = "900.00"
[[price]]
code = "home"
from = 2026-03-10
amount = "950.00"
[[price]]
code = "ip"
from = 2026-01-01
amount = "200.00"
"""


class Event(NamedTuple):
    """One event: what it says, and how it is sent."""

    kind: str
    data: Mapping[str, Any]
    message: Message


class Load:
    """Publishes one stretch after the other."""

    def __init__(self, published: Published, chosen: random.Random, stretches: int) -> None:
        self.published, self._random = published, chosen
        self._serial = 0
        self.poison: Counter[tuple[str, bytes | None, bytes]] = Counter()
        self.clashes: list[tuple[str, str]] = []
        """Commands of two customers who want one reference or one username: one of each pair is
        refused."""
        names = [f"c-{number:03d}" for number in range(CUSTOMERS)]
        self._coming = [names[number::stretches] for number in range(stretches)]
        self._joined: dict[str, date] = {}
        self._commands: dict[str, list[str]] = {}
        """Who has signed up, and what each of them may wish to cancel."""
        self._events: list[Event] = []

    async def stretch(self, number: int) -> None:
        """Publish one stretch: signups, a month's ticks, and commands about everyone so far."""
        events = [*self._signups(number), *self._ticks(number)]
        events += [self._pay(each, number) for each in self._early(number)]
        for customer_id in self._commands:
            events += [
                self._command(customer_id, number) for _ in range(self._random.choice((0, 1, 2)))
            ]
        events += self._clash(number)
        events += self._clash_of_names(number)
        events += self._shared(number)
        events += self._withdrawn(number)
        if self._random.random() < 0.4:
            busy = self._random.sample(sorted(self._commands), 2)
            events += [self._pay(each, number) for each in busy for _ in range(40)]
        self._events += events
        again = self._random.sample(self._events, 15)
        contrary = [self._contrary(each) for each in self._random.sample(events, 15)]
        messages = [event.message for event in (*events, *again, *contrary)]
        messages += self._poison()
        self._random.shuffle(messages)
        await self._publish(messages)

    async def cascades(self) -> None:
        """Cancel the first bill of some: all the months since are restated."""
        last = len(DAYS) - 1
        some = self._random.sample(sorted(self._commands), CUSTOMERS // 4)
        targets = ((each, f"bill/{each}/{self._joined[each]:%Y-%m}") for each in some)
        await self._publish([self._cancel(each, last, bill).message for each, bill in targets])

    async def _publish(self, messages: list[Message]) -> None:
        size = len(messages) // WAVES + 1
        for start in range(0, len(messages), size):
            await self.published.send(messages[start : start + size])
            await asyncio.sleep(WAVE_SECONDS)

    # -- what comes by itself -----------------------------------------------------------------

    def _signups(self, number: int) -> Iterator[Event]:
        for customer_id in self._coming[number]:
            joined_on = date(2026, 1, 1) + timedelta(days=self._random.randrange(-20, 40))
            self._joined[customer_id], self._commands[customer_id] = joined_on, []
            data: dict[str, Any] = {
                "customer_id": customer_id,
                "signed_up_at": self._instant(number, -20, 0),
                "joined_on": joined_on.isoformat(),
                "name": "Rahim",
                "phone": "+8801711000001",
                "language": self._random.choice(("en", "bn")),
                "package": self._package(),
                "cycle": self._cycle(),
                "mode": self._random.choice(("cumulative", "monthly")),
                "vip": self._random.random() < 0.05,
                "actor": "boss",
            }
            if self._random.random() < 0.3:
                data["extras"] = self._extras()
            if self._random.random() < 0.2:
                data["opening_due"] = self._random.choice(("250.00", "-400.00"))
            if self._random.random() < 0.2:
                data |= {
                    "discount_percent": self._random.choice(("5", "50")),
                    "actor": self._actor(),
                }
            yield self._event("customer.signed_up", data)

    def _early(self, number: int) -> list[str]:
        """Customers whose money is there before they are, and one who never comes."""
        later = self._coming[number + 1] if number + 1 < len(self._coming) else []
        return [*later[:4], *self._random.sample(self._coming[number], 8), f"nobody-{number}"]

    def _ticks(self, number: int) -> Iterator[Event]:
        """A month is run by all three triggers at once; other ticks are late, early or wrong."""
        day = date.fromisoformat(DAYS[number])
        for trigger in TRIGGERS:
            yield self._tick(day, trigger)
        yield self._tick(day - timedelta(days=1), "sweep")
        yield self._tick(day + timedelta(days=self._random.randrange(20)), "manual")
        if number:  # the first tick of all leaves no gap
            yield self._tick(day + timedelta(days=120), "manual")
        yield self._tick(day, "manual", period="2026-12")

    def _tick(self, day: date, trigger: str, period: str | None = None) -> Event:
        data = {
            "tick_id": f"{trigger}-{self._next()}",
            "period": period or f"{day:%Y-%m}",
            "as_of": day.isoformat(),
            "trigger": trigger,
        }
        return self._event("tick", data)

    def _poison(self) -> Iterator[Message]:
        for topic in (SIGNUPS, PAYMENTS, TICKS):
            for value in (b"{", self._random.randbytes(30)):
                message = Message(topic, str(self._next()).encode(), value, [("h", b"\xff")])
                self.poison[topic, message.key, value] += 1
                yield message

    def _clash(self, number: int) -> list[Event]:
        """Two customers name one reference at the same moment, spelt in two ways."""
        one, other = self._random.sample(sorted(self._commands), 2)
        events = [
            self._pay(one, number, f"clash-{number}"),
            self._pay(other, number, f" Clash-{number} "),
        ]
        first, second = (f"payment/{event.data['payment_id']}" for event in events)
        self.clashes.append((first, second))
        return events

    def _clash_of_names(self, number: int) -> list[Event]:
        """Two customers want one username at the same moment."""
        pair = self._random.sample(sorted(self._commands), 2)
        username = {"username": f"wanted-{number}", "actor": "boss"}
        events = [self._change(each, number, username) for each in pair]
        first, second = (f"change/{event.data['change_id']}" for event in events)
        self.clashes.append((first, second))
        return events

    def _shared(self, number: int) -> list[Event]:
        """One transfer pays for several homes: all their payments may hold its reference."""
        homes = self._random.sample(sorted(self._commands), 4)
        return [self._pay(each, number, f"transfer-{number}", shared=True) for each in homes]

    def _withdrawn(self, number: int) -> list[Event]:
        """Money for a home that never signs up is taken back while it waits."""
        paid = self._pay(f"gone-{number}", number)
        target = f"payment/{paid.data['payment_id']}"
        return [paid, self._cancel(f"gone-{number}", number, target)]

    def _contrary(self, event: Event) -> Event:
        """The same command id with other content."""
        other = {"actor": "somebody", "name": "Karim", "trigger": "manual", "as_of": "2026-07-01"}
        field = next(name for name in other if name in event.data)
        if event.data[field] == other[field]:
            field = "as_of"
        return self._event(event.kind, {**event.data, field: other[field]})

    # -- what people do -----------------------------------------------------------------------

    def _command(self, customer_id: str, number: int) -> Event:
        makers: dict[Callable[[str, int], Event], int] = {
            self._pay: 40,
            self._change: 16,
            self._discount: 8,
            self._adjust: 6,
            self._refund: 7,
            self._cancel: 16,
            self._bill_up_to: 5,
            self._rebill: 4,
        }
        [make] = self._random.choices(list(makers), weights=list(makers.values()))
        return make(customer_id, number)

    def _pay(
        self, customer_id: str, number: int, reference: str | None = None, shared: bool = False
    ) -> Event:
        payment_id = f"p-{self._next()}"
        data = {
            "payment_id": payment_id,
            "customer_id": customer_id,
            "amount": self._amount(900),
            "method": "bkash",
            "channel": self._random.choice(("online", "field")),
            "received_at": self._instant(number, -40, 10),
            "reference": reference or f"r-{payment_id}",
            "actor": "field-1",
            **({"shared": True} if shared else {}),
        }
        if reference is None:
            self._may_be_cancelled(customer_id, f"payment/{payment_id}")
        return self._event("payment.received", data)

    def _change(self, customer_id: str, number: int, wanted: dict[str, Any] | None = None) -> Event:
        said: list[dict[str, Any]] = [
            {"package": self._package()},
            {"status": self._random.choice(("active", "suspended", "active", "left"))},
            {"cycle": self._cycle()},
            {"mode": self._random.choice(("cumulative", "monthly"))},
            {"discount_percent": "10", "actor": self._actor()},
            {"phone": "+8801711000002", "vip": True, "actor": "boss"},
            {"extras": self._extras(), "actor": "boss"},
            {"package": {"code": "home"}},
        ]
        day = date.fromisoformat(DAYS[number]) + timedelta(days=self._random.randrange(-40, 25))
        data = {
            "change_id": f"ch-{self._next()}",
            "customer_id": customer_id,
            "effective_on": day.isoformat(),
            "changed_at": self._instant(number, -3, 0),
            "actor": "boss" if wanted is None else "crm",
            **(wanted or self._random.choice(said)),
        }
        if wanted is None and self._random.random() < 0.25:
            data["until"] = (day + timedelta(days=self._random.choice((5, 40)))).isoformat()
        if self._random.random() < 0.3:
            data["prorate"] = self._random.random() < 0.5
        return self._event("customer.changed", data)

    def _discount(self, customer_id: str, number: int) -> Event:
        discount_id = f"d-{self._next()}"
        data = {
            "discount_id": discount_id,
            "customer_id": customer_id,
            "amount": self._amount(150),
            "granted_at": self._instant(number, -40, 0),
            "actor": self._actor(),
            "reason": "slow line",
        }
        self._may_be_cancelled(customer_id, f"discount/{discount_id}")
        return self._event("discount.granted", data)

    def _adjust(self, customer_id: str, number: int) -> Event:
        adjustment_id = f"a-{self._next()}"
        data = {
            "adjustment_id": adjustment_id,
            "customer_id": customer_id,
            "amount": self._random.choice(("120.00", "-35.55")),
            "made_at": self._instant(number, -40, 0),
            "actor": self._actor(),
            "reason": "router",
            **({"vat_exempt": True} if self._random.random() < 0.2 else {}),
        }
        self._may_be_cancelled(customer_id, f"adjustment/{adjustment_id}")
        return self._event("adjustment.made", data)

    def _refund(self, customer_id: str, number: int) -> Event:
        refund_id = f"f-{self._next()}"
        payments = [each for each in self._commands[customer_id] if each.startswith("payment/")]
        data = {
            "refund_id": refund_id,
            "customer_id": customer_id,
            "amount": self._amount(200),
            "refunded_at": self._instant(number, -10, 0),
            "actor": self._actor(),
            "reason": "moved",
        }
        if payments and self._random.random() < 0.8:
            data["payment_id"] = self._random.choice(payments).removeprefix("payment/")
        self._may_be_cancelled(customer_id, f"refund/{refund_id}")
        return self._event("refund.made", data)

    def _cancel(self, customer_id: str, number: int, target: str | None = None) -> Event:
        cancellation_id = f"x-{self._next()}"
        bills = [f"bill/{customer_id}/2026-{month:02d}" for month in range(1, number + 2)]
        target = target or self._random.choice([*bills, *self._commands[customer_id][-6:]])
        data = {
            "cancellation_id": cancellation_id,
            "customer_id": customer_id,
            "cancels": target,
            "requested_at": self._instant(number, 0, 3),
            "actor": "boss" if target else self._actor(),
            "reason": "mistake",
        }
        self._may_be_cancelled(customer_id, f"cancellation/{cancellation_id}")
        return self._event("cancellation.requested", data)

    def _bill_up_to(self, customer_id: str, number: int) -> Event:
        day = date.fromisoformat(DAYS[number]) + timedelta(days=self._random.randrange(10, 70))
        data = {
            "bill_up_to_id": f"u-{self._next()}",
            "customer_id": customer_id,
            "up_to": day.isoformat(),
            "set_at": self._instant(number, -2, 2),
            "actor": "boss",
        }
        return self._event("bill_up_to.set", data)

    def _rebill(self, customer_id: str, number: int) -> Event:
        data = {
            "rebill_id": f"b-{self._next()}",
            "customer_id": customer_id,
            "period": f"2026-{self._random.randint(1, number + 1):02d}",
            "requested_at": self._instant(number, -2, 2),
            "actor": "boss",
            "reason": "reissue",
        }
        return self._event("rebill.requested", data)

    # -- small choices ------------------------------------------------------------------------

    def _event(self, kind: str, data: Mapping[str, Any]) -> Event:
        event_type, ce_id = f"billing.{kind}.v1", f"e-{self._next()}"
        if self._random.random() < 0.8:
            return Event(kind, data, binary(event_type, dict(data), ce_id, "chaos"))
        envelope = {"specversion": "1.0", "id": ce_id, "source": "chaos", "type": event_type}
        return Event(kind, data, structured({**envelope, "data": data}))

    def _may_be_cancelled(self, customer_id: str, command_id: str) -> None:
        if customer_id in self._commands:
            self._commands[customer_id].append(command_id)

    def _instant(self, number: int, earliest: int, latest: int) -> str:
        days = timedelta(days=self._random.randint(earliest, latest))
        day = date.fromisoformat(DAYS[number]) + days
        return f"{day}T{self._random.randrange(24):02d}:30:00+06:00"

    def _amount(self, most: int) -> str:
        return f"{self._random.randrange(1, most)}.{self._random.choice((0, 50, 99)):02d}"

    def _package(self) -> dict[str, str]:
        price = self._random.choice(("1000.00", "800.00", "333.33", "1500.00"))
        return {"code": f"home-{price}", "price": price}

    def _extras(self) -> list[dict[str, Any]]:
        extras: list[dict[str, Any]] = [
            {"code": "ip"}, {"code": "tv", "price": "75.00", "quantity": 2},
        ]  # fmt: skip
        return self._random.sample(extras, self._random.randrange(3))

    def _cycle(self) -> dict[str, Any]:
        kind = self._random.choice(("start_of_month", "anniversary", "custom"))
        return {"kind": kind} | ({"day": self._random.randint(1, 31)} if kind == "custom" else {})

    def _actor(self) -> str:
        return self._random.choice(("boss", "boss", "boss", "clerk", "nobody"))

    def _next(self) -> int:
        self._serial += 1
        return self._serial
