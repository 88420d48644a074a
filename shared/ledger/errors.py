"""What a rule may say instead of yes; each class tells the person on call what to do."""


class Refused(Exception):
    """The business says no, and why. Trying the same command again will not help.

    `reason` is one of the words of contract §4, such as `over_limit`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Parked(Exception):
    """The world is not ready: the command is kept and applied when it can be."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Broken(Exception):
    """An invariant that we rely on does not hold. Stop, and let a person look."""


class Unreadable(Exception):
    """What the book keeps of one customer cannot be read: somebody changed it by hand. Set that
    customer apart until a person has mended the row; `verify` names what should be there."""


class PolicyError(ValueError):
    """A policy file is wrong; it is refused whole, and the message says where."""
