"""`Malformed`, the error of an event that cannot be read, and its one line of reason."""

from typing import Any

from pydantic import ValidationError

from shared.schemas.fields import WORDS_OF_PATTERN

REASON_CHARACTERS_MAX = 200

WORDS_OF_ERROR = {
    "missing": "is missing",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "union_tag_invalid": "must be start_of_month, anniversary or custom",
    "union_tag_not_found": "is missing",
}


class Malformed(Exception):
    """This record cannot be read as an event. It is in the dead-letter topic with its bytes intact.

    Correct it at its source and publish it again. Where the mistake is ours, fix the code and
    replay the record (`rollforward dlq replay`). `reason` is one line that names the
    field, without control characters and at most `REASON_CHARACTERS_MAX` long.
    """

    def __init__(self, reason: str) -> None:
        self.reason = one_line(reason)
        super().__init__(self.reason)


def one_line(text: str) -> str:
    """Return a text fit for a header or a log line: printable, one line, not too long."""
    printable = "".join(c if c.isprintable() else "?" for c in text[: REASON_CHARACTERS_MAX + 1])
    if len(printable) <= REASON_CHARACTERS_MAX:
        return printable
    return printable[: REASON_CHARACTERS_MAX - 3] + "..."


def why(error: ValidationError) -> str:
    """Say in one line what is wrong with a value, naming each field at fault; those that do not
    fit into a reason are counted."""
    faults = [_fault(each) for each in error.errors(include_url=False, include_input=False)]
    words = faults[0]
    for at, each in enumerate(faults[1:], start=1):
        left = len(faults) - at - 1
        room = REASON_CHARACTERS_MAX - (len(f" (and {left} more)") if left else 0)
        if len(words) + len(each) + 2 > room:
            return f"{words} (and {len(faults) - at} more)"
        words += f"; {each}"
    return words


def _fault(fault: Any) -> str:
    field = ".".join(str(step) for step in fault["loc"])
    return f"{field}: {_words(fault)}" if field else _words(fault)


def _words(fault: Any) -> str:
    kind: str = fault["type"]
    if kind == "string_pattern_mismatch":
        return WORDS_OF_PATTERN[fault["ctx"]["pattern"]]
    if kind == "string_too_long":
        return f"is longer than {fault['ctx']['max_length']} characters"
    if kind in ("value_error", "literal_error"):
        return str(fault["msg"]).removeprefix("Value error, ").replace("Input should", "must")
    return WORDS_OF_ERROR.get(kind) or str(fault["msg"]).replace("Input should", "must")
