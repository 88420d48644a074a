"""Plays a random history on the product's rules: as workers do, in batches, or with a twist."""

import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from shared.ledger.account import NEVER
from shared.ledger.arrival import Arrival
from shared.ledger.commands import CancellationRequested, Command, Ticked
from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy
from tests.support.histories import Telling, telling
from tests.support.naive import Outcome
from tests.support.rules import Rules, StoredRules

SIZE = 40
BATCH_MAX = 8


class Played(NamedTuple):
    """A history, what the naive model made of it, and the rules with their outcomes."""

    told: Telling
    rules: StoredRules
    outcomes: list[Outcome]

    @property
    def seed(self) -> int:
        return self.told.history.seed

    @property
    def steps(self) -> list[Any]:
        return self.told.history.steps

    def customers(self) -> Iterable[str]:
        return self.rules.kept


def played(seed: int) -> Played:
    """Make the history of a seed and play it in batches of a random size."""
    told = telling(seed, SIZE)
    rules = StoredRules()
    return Played(told, rules, play_in_batches(rules, told.history.steps, random.Random(seed)))


def play_in_batches(
    rules: Rules, steps: Iterable[Any], chosen: random.Random, batch_max: int = BATCH_MAX
) -> list[Outcome]:
    """Play steps, those between two ticks in batches; return what came of each at once."""
    outcomes: list[Outcome] = []
    batch: list[Arrival[Command]] = []

    def flush() -> None:
        if batch:
            outcomes.extend(rules.take(batch))
            batch.clear()

    for step in steps:
        if isinstance(step, Policy | Ticked):
            flush()
        if isinstance(step, Policy):
            rules.apply_policy(step)
        elif isinstance(step, Ticked):
            outcomes.append(rules.apply(step))
        else:
            batch.append(arrival_of(step))
            if len(batch) >= chosen.randint(1, batch_max):
                flush()
    flush()
    return outcomes


def play(steps: Iterable[Any]) -> Rules:
    """Play steps one by one on fresh rules."""
    rules = Rules()
    for step in steps:
        if isinstance(step, Policy):
            rules.apply_policy(step)
        else:
            rules.apply(step)
    return rules


def books(rules: Rules) -> dict[str, list[Line]]:
    """Return all lines, but for what tells only when and after which line they were written."""
    return {
        customer_id: [line._replace(recorded_at=NEVER, hash=b"") for line in lines]
        for customer_id, lines in rules.stored.items()
    }


def arrival_of(command: Any) -> Arrival[Command]:
    return Arrival(type(command).__name__, command, repr(command))


# Twists -------------------------------------------------------------------------------------


def without(steps: Sequence[Any], outcomes: Sequence[Outcome], final: Any) -> list[Any]:
    """Return the steps without those that were refused in the end, or had come before."""
    left = []
    came = iter(outcomes)
    for step in steps:
        if not isinstance(step, Policy):
            at_once = next(came)
            repeated = at_once.kind == "duplicate" or at_once.reason == "conflicting_duplicate"
            if repeated or final[step.command_id].kind == "refused":
                continue
        left.append(step)
    return left


def modes_swapped(steps: Iterable[Any]) -> list[Any]:
    """Return the steps with each mode named replaced by the other one."""
    other = {"cumulative": "monthly", "monthly": "cumulative"}
    return [
        step._replace(mode=other[step.mode]) if getattr(step, "mode", None) in other else step
        for step in steps
    ]


def names_parted(steps: Iterable[Any]) -> list[Any]:
    """Return the steps with references and usernames that no two customers share: all about which
    the order between customers matters."""
    made = []
    for step in steps:
        for name in ("reference", "username"):
            if getattr(step, name, None) is not None:
                parted = f"{step.customer_id}.{getattr(step, name)}"
                step = step._replace(**{name: parted})
        made.append(step)
    return made


TWIN = ".twin"
"""What the ids of a twin and of all that concerns them end with."""


def twinned(steps: Iterable[Any]) -> list[Any]:
    """Return the steps with a twin of each customer, for whom everything happens once more."""
    made: list[Any] = []
    for step in names_parted(steps):
        made.append(step)
        if not isinstance(step, Policy | Ticked):
            made.append(_of_the_twin(step))
    return names_parted(made)


def line_of_the_twin(line: Line) -> Line:
    """Return what a customer's line is for their twin."""
    return line._replace(
        customer_id=line.customer_id + TWIN,
        command_id=_command_of_the_twin(line.command_id),
        reverses=line.reverses and _command_of_the_twin(line.reverses),
    )


def _of_the_twin(step: Any) -> Any:
    changes = {"customer_id": step.customer_id + TWIN, "command_id": step.command_id + TWIN}
    if getattr(step, "payment_id", None) is not None:
        changes["payment_id"] = step.payment_id + TWIN
    if isinstance(step, CancellationRequested):
        changes["cancels"] = _command_of_the_twin(step.cancels)
    return step._replace(**changes)


def _command_of_the_twin(command_id: str) -> str:
    if not command_id.startswith("bill/"):
        return command_id + TWIN
    customer, _, label = command_id.rpartition("/")
    return f"{customer}{TWIN}/{label}"


def shuffled(steps: Iterable[Any], chosen: random.Random) -> list[Any]:
    """Return the steps in another order where none is promised: each customer's own order and
    that of ticks and policies stay. Some events come more than once, now or much later."""
    made: list[Any] = []
    between: list[Any] = []
    for step in [*steps, None]:
        if step is not None and not isinstance(step, Policy | Ticked):
            between.append(step)
            continue
        queues: dict[str, list[Any]] = {}
        for each in between:
            queues.setdefault(each.customer_id, []).append(each)
        while queues:
            customer_id = chosen.choice(sorted(queues))
            made.append(queues[customer_id].pop(0))
            if not queues[customer_id]:
                del queues[customer_id]
            if chosen.random() < 0.3:
                made.append(chosen.choice([each for each in made if not isinstance(each, Policy)]))
        between = []
        if step is not None:
            made.append(step)
    return made
