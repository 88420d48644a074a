"""What the rules know besides the account."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from shared.ledger.line import Form
from shared.ledger.policy.policy import NO_POLICY, Policy


@dataclass(slots=True)
class World:
    """What the rules know besides the account; none of it is read from a clock.

    `recorded_at` is the instant of the batch, written on its lines; `policies` are the versions
    by number. `references` maps (method, reference) to the command id of the live payment that
    holds it, for all references that the batch may ask for.
    """

    recorded_at: datetime
    business_date: date = date.min
    policy: Policy = NO_POLICY
    policies: Mapping[int, Policy] = field(default_factory=lambda: {0: NO_POLICY})
    references: dict[tuple[str, str], str] = field(default_factory=dict)
    forms: dict[Hashable, Form] = field(default_factory=dict, repr=False)
    """A cache of `account`: bills already made, by what they depend on. No part of the value."""
