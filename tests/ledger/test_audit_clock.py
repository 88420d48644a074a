"""The audit of a book whose clock was set back: nothing honest is a fault, tampering still is."""

import random
from datetime import datetime, timedelta

import pytest

from shared.ledger.audit.customer import fault_of, judged_again
from shared.ledger.audit.fault import Fault
from shared.ledger.commands import PaymentReceived
from tests.support.audited import Recorded
from tests.support.histories import history
from tests.support.playing import play_in_batches

JUMPS = (timedelta(0), timedelta(0), timedelta(days=-1), timedelta(days=31), timedelta(seconds=-90))
SLACK = 2 * timedelta(days=32)


class Jumping(Recorded):
    """A fleet whose clock is wrong by one of `JUMPS`, another one now and then."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._jumps: dict[int, timedelta] = {}

    @property
    def now(self) -> datetime:
        """The clock of the batch in hand."""
        if self.batches not in self._jumps:
            last = self._jumps.get(self.batches - 1, timedelta(0))
            changes = self._random.random() < 0.3
            self._jumps[self.batches] = self._random.choice(JUMPS) if changes else last
        return super().now + self._jumps[self.batches]


@pytest.fixture(scope="module")
def jumped() -> list[Jumping]:
    played = []
    for seed in range(500, 580):
        rules = Jumping(seed)
        play_in_batches(rules, history(seed, 60).steps, random.Random(seed), 3)
        played.append(rules)
    return played


def test_an_honest_history_under_a_jumping_clock_is_explained(jumped: list[Jumping]) -> None:
    doubted = 0
    for rules in jumped:
        for customer_id in rules.asked:
            kept = rules.kept_of(customer_id)
            found = fault_of(kept, rules.common())
            if found is not None:
                doubted += 1
                assert judged_again(found, kept, rules.common(), SLACK) is None, customer_id
    assert doubted > 5


def test_a_payment_that_was_changed_is_found_under_a_jumping_clock(jumped: list[Jumping]) -> None:
    tried = named = 0
    for rules in jumped:
        for customer_id, asked in rules.asked.items():
            for at, each in enumerate(asked):
                if isinstance(each.command, PaymentReceived) and each.outcome == "accepted":
                    more = each.command._replace(amount=each.command.amount + 1)
                    changed = [*asked[:at], each._replace(command=more), *asked[at + 1 :]]
                    kept = rules.kept_of(customer_id, asked=changed)

                    found = fault_of(kept, rules.common())
                    assert found is not None
                    again = judged_again(found, kept, rules.common(), SLACK)
                    assert again is not None
                    tried += 1
                    named += again.what == "paid"
    assert tried > 30
    assert named > 0.9 * tried


def test_without_a_clock_set_back_a_fault_stays_one(jumped: list[Jumping]) -> None:
    found = Fault("c-1", 1, "a line", "wrong", "right")
    kept = jumped[0].kept_of(next(iter(jumped[0].asked)))

    assert judged_again(found, kept, jumped[0].common(), timedelta(0)) is found
