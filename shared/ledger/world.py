"""What the rules know besides the account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from shared.ledger.policy.policy import NO_POLICY, Policy


@dataclass(slots=True)
class World:
    """What the rules know besides the account. Nothing in it is a clock.

    `recorded_at` is the instant that the batch's lines will bear; `references` maps
    (method, reference) to the live payment that holds it, as far as the batch may ask.
    """

    recorded_at: datetime
    business_date: date = date.min
    policy: Policy = NO_POLICY
    policies: Mapping[int, Policy] = field(default_factory=lambda: {0: NO_POLICY})
    references: dict[tuple[str, str], str] = field(default_factory=dict)
