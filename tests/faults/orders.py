"""Is there an order? The second opinion on a run in which topics raced each other.

Kafka promises a customer's order within each topic, and none between topics, runs and the
business date. So the naive model is asked: is there an order of his events, all that was
promised kept, in which it makes exactly these lines, one by one, and exactly these outcomes?
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from shared.ledger.policy.policy import Policy
from tests.support.naive import PARKED, Naive, Outcome
from tests.support.naive_account import Line, Words

TRIES_MAX = 50_000


class Case(NamedTuple):
    """One customer: his (command, content) pairs of each topic as Kafka kept them, the days of
    the accepted ticks in their order, and what the book says came of it."""

    customer_id: str
    topics: Sequence[Sequence[tuple[Any, Any]]]
    ticks: Sequence[date]
    lines: Sequence[Line]
    outcomes: Mapping[str, Outcome]
    judged: Mapping[str, int]
    """Where in the book's order each command stands: a hint where to look first, no proof."""


class Step(NamedTuple):
    """The next event of a topic, the next tick's day, or a bill run of a day that has come."""

    what: str
    topic: int = 0
    day: date = date.min


def disagreement(case: Case, policy: Policy, tries_max: int = TRIES_MAX) -> str | None:
    """Return None when there is such an order, else how far the best one came."""
    return _Search(case, policy).run(tries_max)


class _Search:
    """Tries step after step; one that contradicts the book is taken back, and another tried."""

    def __init__(self, case: Case, policy: Policy) -> None:
        self.case, self.policy = case, policy
        self.made_lines = {line.command_id for line in case.lines}
        self.path: list[Step] = []
        self.best = 0
        self.said = "nothing fits"
        self._fresh()

    def run(self, tries_max: int) -> str | None:
        tries, dead_ends = 0, set[Hashable]()
        ways = [self._ways()]
        while ways:
            if self._complete():
                return None
            step = next(ways[-1], None)
            if step is None:
                dead_ends.add(self._place())
                ways.pop()
                if self.path:
                    self.path.pop()
                    self._replay()
                continue
            tries += 1
            if tries > tries_max:
                return f"no order found in {tries_max} tries; {self.said}"
            if self._take(step) and self._place() not in dead_ends:
                self.path.append(step)
                ways.append(self._ways())
            else:
                self._replay()
        return self.said

    # -- the state: a model, and how far each stream was read ------------------------------

    def _fresh(self) -> None:
        self.model = Naive(self.policy)
        self.read = [0] * len(self.case.topics)
        self.days = 0

    def _replay(self) -> None:
        self._fresh()
        for step in self.path:
            self._take(step)

    def _place(self) -> Hashable:
        account = self.model.accounts.get(self.case.customer_id)
        words = vars(account).values() if account else ()
        said = tuple(tuple(each.said) for each in words if isinstance(each, Words))
        return *self.read, self.days, len(self._lines()), said

    def _lines(self) -> Sequence[Line]:
        account = self.model.accounts.get(self.case.customer_id)
        return account.lines if account else ()

    def _complete(self) -> bool:
        return (
            all(at == len(topic) for at, topic in zip(self.read, self.case.topics, strict=True))
            and self.days == len(self.case.ticks)
            and len(self._lines()) == len(self.case.lines)
            and self.model.outcomes == self.case.outcomes
        )

    # -- what may come next ----------------------------------------------------------------

    def _ways(self) -> Iterator[Step]:
        """Yield what may come next, the likeliest first."""
        return iter(sorted(self._possible(), key=self._likely))

    def _possible(self) -> Iterator[Step]:
        for number, topic in enumerate(self.case.topics):
            if self.read[number] < len(topic) and self._may_come(topic[self.read[number]][0]):
                yield Step("event", number)
        if self.days < len(self.case.ticks):
            yield Step("day")
        account = self.model.accounts.get(self.case.customer_id)
        if account is not None:
            days = sorted(set(self.case.ticks[: self.days]))
            yield from (Step("run", 0, day) for day in days if account.billed_through() <= day)

    def _may_come(self, command: Any) -> bool:
        """Whether the book's next line could be this command's, if it made any."""
        command_id = command.command_id
        if command_id in self.model.contents or command_id not in self.made_lines:
            return True
        done = len(self._lines())
        due = self.case.lines[done].command_id if done < len(self.case.lines) else ""
        waits = self.case.customer_id not in self.model.accounts or not done
        return waits or due == command_id or due.startswith("bill/")

    def _likely(self, step: Step) -> tuple[int, int]:
        done = len(self._lines())
        due = self.case.lines[done].command_id if done < len(self.case.lines) else ""
        if step.what == "event":
            command = self.case.topics[step.topic][self.read[step.topic]][0]
            if command.command_id in self.model.contents:
                return (0, 0)
            return (1, self.case.judged.get(command.command_id, 0))
        if step.what == "run":
            return (0 if due.startswith("bill/") else 2, 0)
        return (3, 0)

    # -- one step ---------------------------------------------------------------------------

    def _take(self, step: Step) -> bool:
        """Take a step; return whether the book says the same so far."""
        before = len(self._lines())
        model, who = self.model, self.case.customer_id
        if step.what == "event":
            command, content = self.case.topics[step.topic][self.read[step.topic]]
            self.read[step.topic] += 1
            model.apply(command, content)
        elif step.what == "day":
            day = self.case.ticks[self.days]
            self.days += 1
            model.business_date = max(model.business_date or day, day)
        else:
            had_period = model._has_period(who)
            model._bill_until(model.accounts[who], step.day, model._today(step.day))
            if model._has_period(who) != had_period:
                model._apply_parked(who)
            if len(self._lines()) == before:
                return False  # he has left: a run is no step where it makes nothing
        return self._agrees(before)

    def _agrees(self, before: int) -> bool:
        made = self._lines()
        for number in range(before, len(made)):
            wanted = self.case.lines[number] if number < len(self.case.lines) else None
            if made[number] != wanted:
                self._say(number, f"the model makes {made[number]}, the book has {wanted}")
                return False
        for command_id, outcome in self.model.outcomes.items():
            wanted_outcome = self.case.outcomes.get(command_id)
            if outcome not in (wanted_outcome, PARKED):
                self._say(len(made), f"{command_id} is {outcome} to the model, {wanted_outcome}")
                return False
        return True

    def _say(self, lines: int, what: str) -> None:
        if lines >= self.best:
            self.best, self.said = lines, f"after {lines} of {len(self.case.lines)} lines {what}"
