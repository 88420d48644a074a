"""The error of a command that meets a row which the rules cannot have made."""


class Tampered(Exception):
    """A row of the book was changed by hand or is damaged; the message names it."""

    def __init__(self, what: str, error: Exception) -> None:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}".rstrip(": ")
        super().__init__(
            f"{what} is not as Rollforward writes it ({why}): it was changed by hand, "
            "or is damaged; `rollforward verify` names the first broken line"
        )
