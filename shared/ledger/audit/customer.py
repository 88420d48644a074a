"""A customer's rows judged whole.

Instants tell in which order different transactions wrote, unless a clock was set back. The book
shows by how much, so what is a fault by the instants is judged once more with that much slack.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from shared.ledger.audit.asked import NO_SLACK, Asked, Days, InTime, PolicyVersions
from shared.ledger.audit.audit import Audit
from shared.ledger.audit.closing import Opened
from shared.ledger.audit.fault import Fault
from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy
from shared.ledger.policy.prices import Unpriced


class Kept(NamedTuple):
    """What the book keeps of a customer: lines in the order of seq, each with its canonical form
    where the caller has it, commands in the order of judgement, and the account; `excused` is
    true for the quarantined."""

    customer_id: str
    lines: Sequence[tuple[Line, bytes | None]]
    asked: Sequence[Asked]
    opened: Opened | None
    excused: bool = False


class Common(NamedTuple):
    """What all customers are judged by: policies by version and in time, and the days of ticks."""

    policies: PolicyVersions
    versions: InTime[Policy]
    days: Days


def fault_of(kept: Kept, common: Common, slack: timedelta = NO_SLACK) -> Fault | None:
    """Return the first fault in a customer's rows."""
    policies, versions, days = common
    audit = Audit(kept.customer_id, policies, kept.asked, days, versions, slack)
    seq = 0
    try:
        for seq, (line, form) in enumerate(kept.lines, 1):  # noqa: B007 - the last one is named
            if (fault := audit.fault(line, form)) is not None:
                return fault
        return audit.end(kept.opened, kept.excused)
    except Unpriced as error:
        return Fault(kept.customer_id, seq, f"the price of {error.code}", "in no list", "in one")


def judged_again(found: Fault, kept: Kept, common: Common, slack: timedelta) -> Fault | None:
    """Return what is still a fault where instants may be wrong by `slack`: the later of the two,
    for what comes before it is right in some order."""
    if not slack:
        return found
    again = fault_of(kept, common, slack)
    return again if again is None or again.seq > found.seq else found
