"""Random histories far from the books: dates years before the first period and after the last,
runs that are late, a limit for every member of staff, and policies that change midway.

What a command is decided on then lies on the other side of the label that its own date gives.
"""

from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

from shared.ledger import commands as c
from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff
from tests.support.histories import TAXES, Maker, Telling, made_by

FAR = (-4000, -900, -400, -95, -62, -31, 31, 45, 62, 95, 200, 400, 900)
LIMITS = (50_000, 100_000, 100_000, 200_000, 1_000_000)
ACTORS = ("boss", "lead", "clerk")


def far(seed: int, size: int = 40, customers: int = 2) -> Telling:
    """Make a history of `size` steps far from the books; equal seeds make equal histories."""
    return made_by(FarMaker(seed, customers), seed, size)


class FarMaker(Maker):
    def __init__(self, seed: int, customers: int) -> None:
        super().__init__(seed, customers)
        self.makers |= {
            self.tick: 5,
            self.policy: 8,
            self.discount: 30,
            self.cancellation: 18,
            self.change: 10,
        }

    def policy(self) -> Policy:
        staff = {name: Staff(PERMISSIONS, self.random.choice(LIMITS)) for name in ACTORS}
        policy = Policy(
            self.model.policy.version + 1,
            self.random.choice(TAXES),
            MappingProxyType(staff),
            self.random.choice((0, 5, 10)),
        )
        self.model.apply_policy(policy)
        return policy

    def discount(self) -> Any:
        """A few small ones together pass a limit that none passes alone."""
        account = self._account()
        billed = account.periods[-1].row(0).billed if account and account.periods else 100_000
        first = c.DiscountGranted(
            self._id("discount"),
            self._customer(account),
            max(1, billed * self.random.choice((1, 3, 4, 9)) // 100),
            None if self._chance(0.7) else self._label(account),
            self._day(-40, 5),
            self._actor(),
            "goodwill",
        )
        more = range(self.random.randrange(4))
        self.tangled += [first._replace(command_id=self._id("discount")) for _ in more]
        return self._play(first)

    def _day(self, earliest: int, latest: int) -> date:
        if self._chance(0.4):
            return self.today + timedelta(days=self.random.choice(FAR))
        return super()._day(earliest, latest)

    def _actor(self) -> str:
        return self.random.choice(ACTORS)
