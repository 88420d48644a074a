"""What the help calls the form of an event's field: `day`, `amount`, `id`, as in docs/events.md."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from shared.schemas import fields

NAMES = {
    fields.ID: "id",
    fields.USERNAME: "username",
    fields.EMAIL: "email",
    fields.PHONE: "phone",
    fields.AMOUNT: "amount",
    fields.PERCENT: "percent",
    fields.DAY: "day",
    fields.LABEL: "month",
    fields.INSTANT: "instant",
}


def form_of(field: FieldInfo) -> str:
    """Return the name of a field's form; `text` for one without a form of its own."""
    patterns = [*_patterns(field.metadata), *_patterns([field.annotation])]
    return next((NAMES[each] for each in patterns if each in NAMES), "text")


def _patterns(parts: list[Any]) -> Iterator[str]:
    """Yield the patterns of an annotation and of all that it is made of, for `Day | None` too."""
    for part in parts:
        if isinstance(part, StringConstraints) and isinstance(part.pattern, str):
            yield part.pattern
        yield from _patterns(list(get_args(part)))
