"""What a rule may say instead of yes; each class tells the person on call what to do."""

from shared.ledger.reasons import Reason, Waiting


class Refused(Exception):
    """The business says no, and why. Trying the same command again will not help."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Parked(Exception):
    """The world is not ready: the command is kept and applied when it can be."""

    def __init__(self, reason: Waiting) -> None:
        super().__init__(reason)
        self.reason: Waiting = reason


class Broken(Exception):
    """An invariant that we rely on does not hold. Stop, and let a person look."""


class Unreadable(Exception):
    """What the book keeps of one customer cannot be read: somebody changed it by hand. Set that
    customer apart until a person has mended the row; `verify` names what should be there."""


class PolicyError(ValueError):
    """A policy file is wrong; it is refused whole, and the message says where."""
