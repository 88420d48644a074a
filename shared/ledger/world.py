"""What the rules know besides the account."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from shared.ledger.line import Form
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.references import Held, Reference


@dataclass(slots=True)
class World:
    """What the rules know besides the account; none of it is read from a clock.

    `recorded_at` is the instant of the batch, written on its lines; `policies` are the versions
    by number, each with the price list as its bills read it. `references` maps references to the
    live payments that hold them, `usernames` names to the customers who go by them, for all that
    the batch may ask for.
    """

    recorded_at: datetime
    business_date: date = date.min
    policy: Policy = NO_POLICY
    policies: Mapping[int, Policy] = field(default_factory=lambda: {0: NO_POLICY})
    references: dict[Reference, Held] = field(default_factory=dict)
    usernames: dict[str, str] = field(default_factory=dict)
    forms: dict[Hashable, Form] = field(default_factory=dict, repr=False)
    """A cache of `account`: bills already made, by what they depend on. No part of the value."""
