"""The numbers that documents print (docs/documents.md#numbers)."""

import re
from typing import NamedTuple

from shared.ledger.documents import SERIES, DocumentKind

NUMBER = re.compile(r"([A-Za-z0-9.-]{0,16})(INV|CRN|DBN|RCT)-(\d{4})-(\d{6,9})", re.ASCII)
KINDS: dict[str, DocumentKind] = {short: kind for kind, short in SERIES.items()}
DIGITS_MIN = 6


class Number(NamedTuple):
    """A number in its parts; it sorts by series, then by place."""

    kind: DocumentKind
    year: int
    number: int
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.prefix}{SERIES[self.kind]}-{self.year}-{self.number:0{DIGITS_MIN}d}"


def read_number(text: str) -> Number:
    """Read a number such as INV-2026-000001; ValueError when it is none."""
    found = NUMBER.fullmatch(text)
    if found is None or int(found[4]) == 0 or found[4] != f"{int(found[4]):0{DIGITS_MIN}d}":
        raise ValueError(f"{text!r} is not a number like INV-2026-000001")
    return Number(KINDS[found[2]], int(found[3]), int(found[4]), found[1])
