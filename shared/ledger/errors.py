"""The errors of the rules; each docstring tells the person on call what to do."""

from shared.ledger.reasons import Reason, Waiting


class Refused(Exception):
    """The rules forbid this command, for `reason`. Sending it again will not help."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Parked(Exception):
    """The command cannot apply yet, for `reason`; it is kept and applied when it can be."""

    def __init__(self, reason: Waiting) -> None:
        super().__init__(reason)
        self.reason: Waiting = reason


class Broken(Exception):
    """An invariant does not hold. The customer is quarantined until a person has looked."""


class Unreadable(Exception):
    """A row of one customer cannot be read, because somebody changed it by hand. The customer is
    quarantined. Mend the row (`verify` names what should be there), then run
    `rollforward quarantine retry CUSTOMER`."""


class PolicyError(ValueError):
    """A policy file is wrong. It is refused whole; the message names line and reason."""
